"""The learning rate over rounds and steps is the formula of its schedule."""

from __future__ import annotations

import math

import pytest

from harness.planning.schedule import learning_rate, step_factor
from harness.recipe import TrainSpec

TRAIN = TrainSpec(rounds=4, learning_rate_max=9e-4, learning_rate_min=1e-4, max_steps=4)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [9e-4, 9e-4, 9e-4, 9e-4]),
        ("linear", [7e-4, 5e-4, 3e-4, 1e-4]),
        ("cosine", [1e-4 + 4e-4 * (1 + math.sqrt(0.5)), 5e-4, 1e-4 + 4e-4 * (1 - math.sqrt(0.5)),
                    1e-4]),
    ],
)  # fmt: skip
def test_a_round_s_rate_falls_from_near_its_maximum_to_its_minimum(
    schedule: str, rates: list[float]
) -> None:
    train = TRAIN.with_values(round_schedule=schedule)
    assert [learning_rate(train, number) for number in (1, 2, 3, 4)] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_a_step_s_factor_falls_from_one(schedule: str, factors: list[float]) -> None:
    train = TRAIN.with_values(step_schedule=schedule)
    assert [step_factor(train, step) for step in range(4)] == pytest.approx(factors)


def test_warm_up_rises_to_one_in_equal_steps() -> None:
    train = TRAIN.with_values(warmup_steps=3)
    assert [step_factor(train, step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    both = train.with_values(step_schedule="linear")
    assert [step_factor(both, step) for step in range(4)] == [0.25, 0.375, 0.375, 0.25]
