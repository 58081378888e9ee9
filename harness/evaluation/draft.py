"""Guesses at a row's next tokens, for steps that would otherwise feed only a few rows.

Feeding eight rows costs nearly what feeding sixty-four does, so when few rows are left each is fed
some tokens ahead: what followed the last time its latest tokens stood in its text. A guess is kept
only if greedy decoding would have written it, so texts do not change; models that were trained
without EOS repeat themselves to the end, and most guesses are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_DRAFT_TOKENS = 7
"""Tokens guessed ahead of one row at most."""

STEP_TOKENS = 64
"""Tokens of all rows in one step up to which a step costs little more than for one row."""

GRAMS = (3, 2)
"""Lengths of the text whose last occurrence is looked for, the longer first."""


def draft_length(rows: int) -> int:
    """Return how many tokens each of `rows` rows may be fed ahead in one step; 0: none."""
    return min(MAX_DRAFT_TOKENS, STEP_TOKENS // rows - 1)


def draft(history: Sequence[int], count: int) -> list[int]:
    """Return `count` tokens that may follow `history`, or none when it repeats nothing.

    What stood `period` tokens ago is repeated, over its own end when `period` is shorter than
    `count`.
    """
    for size in GRAMS:
        gram = list(history[-size:])
        for end in range(len(history) - 1, size - 1, -1):
            if history[end - 1] == gram[-1] and list(history[end - size : end]) == gram:
                period = len(history) - end
                return [history[end + place % period] for place in range(count)]
    return []
