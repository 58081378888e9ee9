"""A challenge's numbers are those of a federation that can be, and its sets are found by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.boards.challenge import challenge_names, load_challenge
from harness.errors import UsageError

CHALLENGE = load_challenge("finance")


@pytest.mark.parametrize(
    ("place", "least"),
    [
        ("revision", 1), ("num_supernodes", 1), ("min_clients", 1), ("communication.limit_mib", 1),
        ("dataset.pin.rows", 1), ("evaluation.0.rows", 1),
    ],
)  # fmt: skip
def test_a_number_of_a_challenge_has_a_least_value(place: str, least: int) -> None:
    def with_value(value: Any) -> Any:
        data = copy.deepcopy(CHALLENGE.model_dump())
        part: Any = data
        *way, last = place.split(".")
        for name in way:
            part = part[int(name)] if isinstance(part, list | tuple) else part[name]
        part[last] = value
        return type(CHALLENGE).model_validate(data)

    with_value(least)
    with pytest.raises(ValueError, match=r"greater than"):
        with_value(least - 1)


@pytest.mark.parametrize(("tolerance", "fits"), [(1e-9, True), (0.0, False), (-1.0, False)])
def test_a_replay_s_tolerance_is_more_than_nothing(tolerance: float, fits: bool) -> None:
    if fits:
        assert CHALLENGE.with_values(replay_tolerance=tolerance).replay_tolerance == tolerance
    else:
        with pytest.raises(ValueError, match="greater than 0"):
            CHALLENGE.with_values(replay_tolerance=tolerance)


def test_a_set_is_found_by_its_name_or_the_nearest_is_proposed() -> None:
    for item in CHALLENGE.evaluation:
        assert CHALLENGE.evaluation_set(item.task) is item
    with pytest.raises(UsageError, match=r'has no task \'fiqaa\'; did you mean "fiqa"'):
        CHALLENGE.evaluation_set("fiqaa")


@pytest.mark.parametrize(
    ("fraction", "clients"),
    [(0.1, 5), (0.119, 5), (0.12, 6), (1.0, 50), (0.04, 2), (0.039, 2), (0.001, 2), (0.06, 3)],
)
def test_a_round_samples_the_share_rounded_down_and_never_fewer_than_the_least(
    fraction: float, clients: int
) -> None:
    assert CHALLENGE.clients_per_round(fraction) == clients


def test_a_mib_of_the_budget_is_two_to_the_twentieth_bytes() -> None:
    assert CHALLENGE.communication.limit_bytes == 200_000 * 1_048_576


def test_names_are_sorted_and_each_loads() -> None:
    names = challenge_names()
    assert names == sorted(names)
    assert all(load_challenge(name).id == name for name in names)
