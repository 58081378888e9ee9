"""Log-likelihoods of the labels after a prompt, each prompt read once.

Which rows meet in a forward pass decides the last bits of their log-likelihoods, so it must not
depend on where an evaluation was stopped. The rows of all sets, in the order of their prompts, are
cut into units; a unit begins with nothing held, and one that a stop left unfinished is weighed
again whole.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from harness.document.float_sums import sum_in_order
from harness.evaluation.decoder.packed_step import Span
from harness.evaluation.decoder.working_set import WorkingSet

UNIT_ROWS = 64
"""Rows of a unit at most: a stop loses the work of fewer rows than that for each decoder. What the
prompts share is read once for each unit."""

EVEN_UNITS = 4
"""Of so many units there is a multiple, all of equal size: one, two or four decoders then have as
much to do each. With seven units of 64 rows, of two decoders one had 256 and the other 194."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A prompt and the continuations to weigh."""

    row: int
    """Number of the row in its evaluation set."""
    prompt: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    """Tokens of each continuation, at least one each."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The log-likelihood of every continuation of one row, in order."""

    row: int
    """Number of the row in its evaluation set."""
    loglikelihoods: tuple[float, ...]
    """Natural logarithms, summed over the tokens."""
    greedy: tuple[bool, ...]
    """Whether greedy decoding would write exactly this continuation."""
    likeliest: int
    """The token that greedy decoding writes first."""


def units(rows: Sequence[Labels], missing: Container[int]) -> list[Sequence[Labels]]:
    """Return the units, by rising prompts, that hold a row which is still to be weighed.

    Args:
        rows: all rows of an evaluation, however many of them are done.
        missing: numbers of those that are not.
    """
    ordered = sorted(rows, key=lambda item: (item.prompt, item.row))
    count = EVEN_UNITS * math.ceil(len(ordered) / (EVEN_UNITS * UNIT_ROWS))
    ends = [place * len(ordered) // count for place in range(count + 1)]
    cut = [ordered[begin:end] for begin, end in pairwise(ends)]
    return [unit for unit in cut if any(item.row in missing for item in unit)]


def weigh(working_set: WorkingSet, rows: Sequence[Labels]) -> Iterator[Weighed]:
    """Yield every row of a unit once, in their order, which should bring like prompts together.

    The value of a row depends on nothing but its unit, and up to rounding on nothing but the row:
    no pads, no batch.

    Args:
        working_set: where they are read; its lines are free before and again afterwards.
        rows: prompts with their labels, more than there are lines if need be.
    """
    working_set.forget()
    begin = 0
    while begin < len(rows):
        lines: list[int] = []
        spans: list[Span] = []
        tokens = 0
        for row in rows[begin:]:
            place = working_set.admit(row.prompt, tokens)
            if place is None:
                break
            line, held = place
            lines.append(line)
            spans.append(Span(line, held, row.prompt[held:], 1))
            tokens += len(row.prompt) - held
        together = rows[begin : begin + len(lines)]
        yield from _weigh_together(working_set, together, lines, spans)
        for line in lines:
            working_set.leave(line)
        begin += len(lines)


def _weigh_together(
    working_set: WorkingSet, rows: Sequence[Labels], lines: Sequence[int], spans: Sequence[Span]
) -> Iterator[Weighed]:
    # A prompt's last logits score the first token of every label. A label of k tokens needs its
    # first k - 1 fed as well: "positive" as p1 p2 is log P(p1 | prompt) + log P(p2 | prompt p1).
    # The labels of a row are fed one after the other into the same slots, each over the last.
    first = [_scores(logits) for logits in working_set.feed(spans)]
    # scores[row][choice]: (tokens, vocab), one line for every token of the choice.
    scores = [[start for _ in row.choices] for row, start in zip(rows, first, strict=True)]
    for choice in range(max(len(row.choices) for row in rows)):
        longer = [
            place
            for place, row in enumerate(rows)
            if choice < len(row.choices) and len(row.choices[choice]) > 1
        ]
        rest = [_rest(rows[place], choice, lines[place]) for place in longer]
        for place, logits in zip(longer, working_set.feed(rest) if rest else (), strict=True):
            scores[place][choice] = torch.cat([first[place], _scores(logits)])
    for row, start, found in zip(rows, first, scores, strict=True):
        sums, greedy = [], []
        for tokens, table in zip(row.choices, found, strict=True):
            sums.append(sum_in_order(float(table[at, token]) for at, token in enumerate(tokens)))
            greedy.append(table.argmax(dim=-1).tolist() == list(tokens))
        yield Weighed(row.row, tuple(sums), tuple(greedy), int(start.argmax()))


def _rest(row: Labels, choice: int, line: int) -> Span:
    fed = row.choices[choice][:-1]
    return Span(line, len(row.prompt), fed, len(fed))


@torch.inference_mode()
def _scores(logits: Tensor) -> Tensor:
    return logits.log_softmax(dim=-1)
