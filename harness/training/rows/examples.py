"""Examples: rows as token ids, each with the place where its loss begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.errors import PluginError
from harness.planning.settings.templates import COLUMNS
from harness.recipe import TrainSpec
from harness.training.rows.chosen_rows import choose_rows
from harness.training.rows.prompt import Rendered, render

SPECIAL_TOKENS = 4
"""More than a tokenizer adds to a text by itself: BOS, EOS, and a space before the first word."""

ENCODED_AT_ONCE = 1000
"""Rows of which all tokens and their places in the text are held at a time: those of 76,772 take
2 GB."""


@dataclass(frozen=True, slots=True)
class Example:
    """One tokenised row."""

    ids: tuple[int, ...]
    response_start: int
    """Index of the first token that is trained on; always in [1, len(ids))."""


def tokenise(
    rows: Sequence[Mapping[str, str]], train: TrainSpec, tokenizer: Any, partition: int
) -> list[Example]:
    """Tokenise the rows of a partition, loss on the response only.

    Rows longer than `train.seq_length` are cut on the right, as the template does. A row of whose
    answer nothing is left by that, or that has none, is left out; see `count_left_out`.

    Args:
        rows: the partition's rows; each has `instruction`, `input` and `output`.
        train: data, prompt and sequence length.
        tokenizer: a fast transformers tokenizer: only those say where a token stands in the text.
        partition: its number, for messages.

    Raises:
        PluginError: no row is left to train on, so that the client would teach nothing.
    """
    return [item for item, _ in kept_rows(rows, train, tokenizer, partition)]


Rewrite = Callable[[Sequence[Mapping[str, str]], int], Sequence[Mapping[str, str]]]
"""(rows as the recipe's data say, partition) -> as many rows, rewritten in code."""


def as_they_are(rows: Sequence[Mapping[str, str]], partition: int) -> Sequence[Mapping[str, str]]:
    """Return the rows as they are."""
    return rows


def kept_rows(
    rows: Sequence[Mapping[str, str]],
    train: TrainSpec,
    tokenizer: Any,
    partition: int,
    rewrite: Rewrite = as_they_are,
) -> list[tuple[Example, Mapping[str, str]]]:
    """Return the rows of a partition that are trained on, tokenised and as text; see `tokenise`.

    Args:
        rows: as for `tokenise`.
        train: as for `tokenise`.
        tokenizer: as for `tokenise`.
        partition: as for `tokenise`.
        rewrite: what is made of the rows before the prompt.

    Raises:
        PluginError: no row is left to train on.
    """
    chosen = rewrite([row for _, row in choose_rows(rows, train.data, partition)], partition)
    rendered = [render(train.prompt, row, tokenizer) for row in chosen]
    encoded = zip(encode(rendered, train, tokenizer), chosen, strict=True)
    found = [(item, row) for item, row in encoded if item is not None]
    if not found:
        raise _nothing_left(partition, len(rendered), rendered[0], train)
    return found


def count_left_out(
    rows: Sequence[Mapping[str, str]],
    train: TrainSpec,
    tokenizer: Any,
    partition: int,
    rewrite: Rewrite = as_they_are,
) -> int:
    """Return how many rows of a partition `tokenise` leaves out; few of them are tokenised here.

    Args:
        rows: as for `tokenise`.
        train: as for `tokenise`.
        tokenizer: as for `tokenise`.
        partition: its number, for messages.
        rewrite: as for `kept_rows`.

    Raises:
        PluginError: no row is left to train on.
    """
    chosen = rewrite([row for _, row in choose_rows(rows, train.data, partition)], partition)
    found = left_out(chosen, train, tokenizer)
    if found == len(chosen):
        raise _nothing_left(partition, found, render(train.prompt, chosen[0], tokenizer), train)
    return found


def left_out(rows: Iterable[Mapping[str, str]], train: TrainSpec, tokenizer: Any) -> int:
    """Return how many of some rows `tokenise` leaves out, whatever partition they are in.

    Args:
        rows: as the recipe rewrites them.
        train: prompt and sequence length.
        tokenizer: a fast transformers tokenizer.
    """
    doubtful = filter(doubts(train, tokenizer), rows)
    found = 0
    while some := [*islice(doubtful, ENCODED_AT_ONCE)]:
        rendered = [render(train.prompt, row, tokenizer) for row in some]
        found += sum(item is None for item in encode(rendered, train, tokenizer))
    return found


def doubts(train: TrainSpec, tokenizer: Any) -> Callable[[Mapping[str, str]], bool]:
    """Return a function that says whether a row may have no token to train on.

    It counts bytes: a token stands for one at least, so a prompt of fewer bytes than `seq_length`
    ends within it.

    Args:
        train: prompt and sequence length.
        tokenizer: the model's, for its chat template, which is applied once and not to every row.
    """
    prompt = train.prompt
    empty = render(prompt, dict.fromkeys(COLUMNS, ""), tokenizer)
    chat = prompt.style == "chat"
    asked = prompt.user if chat else prompt.template.partition(prompt.response_marker)[0]
    around = empty.text[: empty.response] if chat else prompt.response_marker
    room = train.seq_length - len(around.encode()) - SPECIAL_TOKENS
    nothing_else = not empty.text[empty.response :]

    def doubtful(row: Mapping[str, str]) -> bool:
        no_answer = nothing_else and not row["output"]
        return no_answer or len(asked.format(**row).encode()) >= room

    return doubtful


def encode(rows: Sequence[Rendered], train: TrainSpec, tokenizer: Any) -> list[Example | None]:
    """Return the rows as token ids; None where no token is left to train on.

    Args:
        rows: at least one.
        train: prompt and sequence length.
        tokenizer: a fast transformers tokenizer.
    """
    encoded = tokenizer(
        [row.text for row in rows],
        return_offsets_mapping=True,
        # A chat template has written them already.
        add_special_tokens=train.prompt.style == "text",
    )
    bos, eos = _own_bos(tokenizer), tokenizer.eos_token_id
    examples: list[Example | None] = []
    for row, ids, offsets in zip(
        rows, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        start = _first_trained(row, offsets)
        tokens = list(ids)
        if bos is not None:
            # One BOS: a template may write it where the tokenizer adds its own, or leave it out.
            twice, never = tokens[:2] == [bos, bos], tokens[:1] != [bos]
            tokens = tokens[1:] if twice else [bos, *tokens] if never else tokens
            start += never - twice
        if train.prompt.append_eos and tokens[-1:] != [eos]:
            tokens.append(eos)
        tokens = tokens[: train.seq_length]
        examples.append(Example(tuple(tokens), start) if 0 < start < len(tokens) else None)
    return examples


def _first_trained(row: Rendered, offsets: Sequence[tuple[int, int]]) -> int:
    """Return the index of the first token that is trained on, or their number.

    By characters, since a token may cross the end of the marker. Of "Answer: positive" the tokens
    are "Answer", ":", " positive": after the marker "Answer:" the third is trained on, and after
    "Answer: " too: it begins inside the marker and holds the answer. Of the template "Answer: \\n
    {output}" a token " \\n" crosses the marker "Answer: " and holds none of it: it is not. A token
    of no characters, such as a BOS, is no answer.
    """
    for index, (begin, end) in enumerate(offsets):
        if end > begin and (begin >= row.response or end > row.output):
            return index
    return len(offsets)


def _own_bos(tokenizer: Any) -> int | None:
    """Return the BOS that a tokenizer puts before every text, or None."""
    bos: int | None = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("x")["input_ids"][:1] == [bos] else None


def _nothing_left(partition: int, rows: int, first: Rendered, train: TrainSpec) -> PluginError:
    return PluginError(
        f"partition {partition}: none of its {rows} rows has a token after the response marker"
        f" {train.prompt.response_marker!r} within seq_length {train.seq_length}; the first ends"
        f" {first.text[-40:]!r}; raise seq_length or correct the prompt"
    )
