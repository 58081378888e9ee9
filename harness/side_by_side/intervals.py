"""Means over seeds, and the interval in which they lie."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t for 95 %, both sides, of 1 to 10 degrees of freedom. Source: any table of t."""
T_MANY = 2.228
"""For more: that of 10, which is on the safe side."""


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of values, one a seed, and half of its 95 % interval by Student's t.

    Two seeds give (mean, 12.7 standard errors), one seed (value, infinity): nothing is known of
    how far another would be.

    Raises:
        ValueError: no value.
    """
    if not values:
        raise ValueError("no value; expected one for each seed")
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return mean, inf
    spread = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    t = T_95[count - 2] if count - 2 < len(T_95) else T_MANY
    return mean, t * spread / sqrt(count)
