"""Examples: rows as token ids, each with the place where its loss begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import PluginError
from harness.recipe import TrainSpec
from harness.training.prompt import render
from harness.training.rows import choose_rows


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

    Tokens that begin before the end of the response marker are not trained on. Rows longer than
    `train.seq_length` are cut on the right.

    Args:
        rows: the partition's rows; each has `instruction`, `input` and `output`.
        train: data, prompt and sequence length.
        tokenizer: a fast transformers tokenizer: only those say where a token stands in the text.
        partition: its number, for messages.

    Raises:
        PluginError: no token of a row is left to train on, so that it would teach nothing in
            silence; the row is named.
    """
    chosen = choose_rows(rows, train.data, partition)
    rendered = [render(train.prompt, row, tokenizer) for _, row in chosen]
    encoded = tokenizer(
        [text for text, _ in rendered],
        return_offsets_mapping=True,
        # A chat template has written them already.
        add_special_tokens=train.prompt.style == "text",
    )
    examples = []
    for index, (ids, offsets) in enumerate(
        zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ):
        text, response = rendered[index]
        # By characters, since a token may cross the marker's end. Of "Answer: positive" the tokens
        # are "Answer", ":", " positive": after the marker "Answer:" the third is trained on; after
        # "Answer: " it begins inside the marker and is not. A token of no characters, such as a
        # BOS, is no answer.
        start = next(
            (i for i, (begin, end) in enumerate(offsets) if begin >= response and end > begin),
            len(ids),
        )
        tokens = [*ids, tokenizer.eos_token_id] if train.prompt.append_eos else ids
        tokens = tokens[: train.seq_length]
        if not 0 < start < len(tokens):
            raise PluginError(
                f"partition {partition}, row {chosen[index][0]}: no token after the response marker"
                f" {train.prompt.response_marker!r} is left to train on: {len(ids)} tokens,"
                f" seq_length {train.seq_length}, text ends {text[-40:]!r}; raise seq_length or"
                " correct the prompt"
            )
        examples.append(Example(tuple(tokens), start))
    return examples
