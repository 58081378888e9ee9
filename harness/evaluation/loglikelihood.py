"""Log-likelihoods of the labels after a prompt, each prompt read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.evaluation.decode import PREFILL_ROWS, Decoder


@dataclass(frozen=True, slots=True)
class Labels:
    """A prompt and the continuations to weigh."""

    row: int
    prompt: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    """Tokens of each continuation, at least one each."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The log-likelihood of every continuation of one row, in order."""

    row: int
    loglikelihoods: tuple[float, ...]
    """Natural logarithms, summed over the tokens."""
    greedy: tuple[bool, ...]
    """Whether greedy decoding would write exactly this continuation."""


@torch.inference_mode()
def weigh(decoder: Decoder, rows: Sequence[Labels]) -> Iterator[Weighed]:
    """Yield every row of `rows` once, longest prompts first.

    The value of a row depends on nothing but the row, up to rounding: no pads, no batch.
    """
    ordered = sorted(rows, key=lambda item: -len(item.prompt))
    count = min(PREFILL_ROWS, decoder.lines)
    for first in range(0, len(ordered), count):
        yield from _weigh_together(decoder, ordered[first : first + count])


def _weigh_together(decoder: Decoder, rows: Sequence[Labels]) -> Iterator[Weighed]:
    decoder.prefill(0, [row.prompt for row in rows])
    starts = [len(row.prompt) for row in rows]
    last = [start - 1 for start in starts]
    first_token = _step(decoder, [row.prompt[-1] for row in rows], last)
    choices = max(len(row.choices) for row in rows)
    sums = [[0.0] * choices for _ in rows]
    greedy = [[True] * choices for _ in rows]
    for choice in range(choices):
        scores = first_token
        for place in range(max(len(row.choices[choice]) for row in rows)):
            if place:
                # Rows whose continuation has ended are fed their last token; nothing is read off.
                fed = [_at(row.choices[choice], place - 1) for row in rows]
                scores = _step(decoder, fed, [start + place - 1 for start in starts])
            best = scores.argmax(dim=-1).tolist()
            for line, row in enumerate(rows):
                tokens = row.choices[choice]
                if place < len(tokens):
                    sums[line][choice] += float(scores[line, tokens[place]])
                    greedy[line][choice] &= best[line] == tokens[place]
    for line, row in enumerate(rows):
        yield Weighed(row.row, tuple(sums[line]), tuple(greedy[line]))


def _at(tokens: Sequence[int], place: int) -> int:
    return tokens[min(place, len(tokens) - 1)]


def _step(decoder: Decoder, tokens: Sequence[int], slots: Sequence[int]) -> Tensor:
    return decoder.step(tokens, slots).log_softmax(dim=-1)
