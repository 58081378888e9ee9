"""Intervals over seeds are Student's."""

from __future__ import annotations

from math import inf, sqrt

import pytest

from harness.side_by_side.intervals import mean_interval


def test_the_interval_is_students() -> None:
    assert mean_interval([3.0]) == (3.0, inf)
    mean, half = mean_interval([1.0, 2.0, 3.0])
    assert (mean, half) == (2.0, pytest.approx(4.303 / sqrt(3)))
    assert mean_interval([5.0] * 20) == (5.0, 0.0)
    many = [0.0, 1.0] * 10
    assert mean_interval(many)[1] == pytest.approx(2.228 * sqrt(5 / 19) / sqrt(20))
    with pytest.raises(ValueError, match="one for each seed"):
        mean_interval([])
