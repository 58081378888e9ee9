"""Sums of floats that are the same on every Python, for numbers that are recorded or published."""

from __future__ import annotations

from collections.abc import Iterable


def sum_in_order(values: Iterable[float]) -> float:
    """Return the sum of `values`, added from left to right and rounded at each step.

    The built-in `sum` does so up to Python 3.11; from 3.12 on it carries the lost digits along, so
    that a loss or an average would depend in its last digit on who computed it.
    """
    # Ten times 0.1 is 0.9999999999999999 here and in `sum` of 3.11, and 1.0 in `sum` of 3.12.
    total = 0.0
    for value in values:
        total += value
    return total
