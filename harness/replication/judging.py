"""Whether a relation holds, from what its arms measured at each seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from harness.replication.replication import Relation
from harness.side_by_side.intervals import mean_interval

Verdict = Literal["holds", "does not hold", "undecided"]

Measured = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Arm -> seed -> measure -> value."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A relation and what became of it."""

    relation: Relation
    verdict: Verdict
    mean: float
    """order: right - left; ratio: left / right; exact: the largest value of left."""
    half: float
    """Half of its 95 % interval over the seeds; 0 for what is exact."""
    seeds: int


def judge(relation: Relation, measured: Measured) -> Judged:
    """Judge a relation seed by seed: both arms of a seed saw the same data.

    An order holds where the whole interval of the differences is above 0, and does not where it is
    below; a ratio holds where the whole interval is within the tolerance, and does not where it is
    outside; what is exact holds where every seed is.
    """
    left = {seed: found[relation.measure] for seed, found in measured[relation.left].items()}
    if relation.kind == "exact":
        good = all(abs(value) <= relation.tolerance for value in left.values())
        worst = max((abs(value) for value in left.values()), default=inf)
        return Judged(relation, "holds" if good else "does not hold", worst, 0.0, len(left))
    assert relation.right is not None
    right = {seed: found[relation.measure] for seed, found in measured[relation.right].items()}
    seeds = sorted(left.keys() & right.keys())
    if relation.kind == "order":
        mean, half = mean_interval([right[seed] - left[seed] for seed in seeds])
        low, high = mean - half, mean + half
        verdict: Verdict = "holds" if low > 0 else "does not hold" if high < 0 else "undecided"
        if mean == 0 and half == 0:
            verdict = "does not hold"  # they are equal, seed by seed
        return Judged(relation, verdict, mean, half, len(seeds))
    assert relation.value is not None
    mean, half = mean_interval([left[seed] / right[seed] if right[seed] else inf for seed in seeds])
    nearest, farthest = relation.value - relation.tolerance, relation.value + relation.tolerance
    if nearest <= mean - half and mean + half <= farthest:
        return Judged(relation, "holds", mean, half, len(seeds))
    outside = mean + half < nearest or mean - half > farthest
    verdict = "does not hold" if outside else "undecided"
    return Judged(relation, verdict, mean, half, len(seeds))
