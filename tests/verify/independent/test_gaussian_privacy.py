"""Epsilon from the papers' formulas is that of Flower's accountant."""

from __future__ import annotations

import pytest

from harness.record.federation import DP_DELTA
from harness.verify.independent.gaussian_privacy import epsilon_of


@pytest.mark.parametrize(
    ("multipliers", "epsilon"),
    # By Flower's accountant over dp-accounting 0.6, 50 clients, delta 1e-5.
    [
        ([1.0] * 3, 9.009958991683897), ([0.1] * 3, 231.03553359954898),
        ([5.0] * 12, 3.116588160928202), ([0.5, 0.6, 0.7], 17.57684016201688),
        ([1000.0], 0.0040134096770715055), ([1e9], 0.0),
    ],
)  # fmt: skip
def test_epsilon_is_that_of_the_library(multipliers: list[float], epsilon: float) -> None:
    assert epsilon_of(multipliers, DP_DELTA) == pytest.approx(epsilon, rel=1e-9)
