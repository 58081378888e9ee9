"""Figures of an entry that follow from counts: scores with intervals, and their mean."""

from __future__ import annotations

from math import sqrt

from harness.document.float_sums import sum_in_order
from harness.leaderboard.entries.entry import EntryScore
from harness.scoring.statistics import standard_error
from harness.verify.rules.evaluation.scores import interval

NORMAL_95 = 1.959964
"""Half width of a 95 % interval in standard errors."""


def counted(correct: int, examples: int, bits: str | None) -> EntryScore:
    """Return the score of `correct` rows of `examples`, with its interval."""
    low, high = interval(correct, examples)
    return EntryScore(
        value=correct / examples, correct=correct, examples=examples, low=low, high=high,
        stderr=standard_error(correct, examples), bits=bits,
    )  # fmt: skip


def mean_of(scores: dict[str, EntryScore]) -> tuple[float | None, float | None, float | None]:
    """Return the plain mean and its 95 % interval, the sets being independent."""
    if not scores:
        return None, None, None
    count = len(scores)
    mean = sum_in_order(score.value for score in scores.values()) / count
    error = sqrt(sum_in_order(score.stderr**2 for score in scores.values())) / count
    return mean, max(0.0, mean - NORMAL_95 * error), min(1.0, mean + NORMAL_95 * error)
