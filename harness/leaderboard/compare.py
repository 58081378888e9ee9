"""Telling entries apart: a paired test over rows, and groups made by it.

The leaderboard ranks by the plain mean of the sets' accuracies, so the test is of that mean. Two
entries answer the same rows; only rows on which they differ say anything. If neither is better,
each of those is a fair coin, so that the difference of the means has variance
sum over sets of (1 / (sets * rows))^2 * differing rows. This is McNemar's test with the sets
weighted as the average weights them. Without rows (a claim that kept none) the unpaired variance is
used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

from harness.leaderboard.entries.entry import Entry

LEVEL = 0.05
"""Two entries share a group when chance alone would part them this often or more (two-sided)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of an entry as integers, one bit a row."""

    bits: dict[str, tuple[int, int]]
    """Evaluation set -> (one bit for each row, the number of rows)."""

    @classmethod
    def of(cls, entry: Entry) -> Rows:
        """Return the rows of an entry, for those sets that have them."""
        return cls(
            {
                task: (int("1" + score.bits, 2), len(score.bits))
                for task, score in entry.scores.items()
                if score.bits
            }
        )


def p_value(a: Entry, b: Entry, a_rows: Rows, b_rows: Rows) -> float:
    """Return the two-sided p value of equal means; 1 when a mean is missing.

    Args:
        a: one entry.
        b: the other one.
        a_rows: rows of `a`, which are kept because an entry is compared with many.
        b_rows: rows of `b`.
    """
    # Two entries of one set of 100 rows: `a` has 60 right, `b` 52, and on 20 rows they differ (14
    # that only `a` has, 6 that only `b` has). The variance is 20 / (1 * 100)^2, the difference 0.08
    # is 1.79 standard errors, and p is 0.074. Unpaired, the same counts would give p = 0.26.
    if a.average is None or b.average is None or a.scores.keys() != b.scores.keys():
        return 1.0
    count = len(a.scores)
    variance = 0.0
    for task, score in a.scores.items():
        ours, theirs = a_rows.bits.get(task), b_rows.bits.get(task)
        if ours is not None and theirs is not None and ours[1] == theirs[1]:
            differing = (ours[0] ^ theirs[0]).bit_count()
            variance += differing / (count * ours[1]) ** 2
        else:
            variance += (score.stderr**2 + b.scores[task].stderr ** 2) / count**2
    difference = abs(a.average - b.average)
    if variance == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return erfc(difference / sqrt(2 * variance))


def rank_groups(entries: Sequence[Entry]) -> dict[str, int]:
    """Return entry key -> group, 1 for the best.

    Entries are taken best first; each joins the group of the best entry it cannot be told apart
    from, else it opens the next group. Entries without an average have no group.
    """
    ordered = sorted(
        (entry for entry in entries if entry.average is not None),
        key=lambda entry: (-(entry.average or 0.0), entry.key),
    )
    groups: dict[str, int] = {}
    leader: Entry | None = None
    leader_rows = Rows({})
    number = 0
    for entry in ordered:
        rows = Rows.of(entry)
        if leader is None or p_value(leader, entry, leader_rows, rows) < LEVEL:
            leader, leader_rows, number = entry, rows, number + 1
        groups[entry.key] = number
    return groups
