"""A round whose aggregate is not made of its clients' replies is refused, and no honest one is."""

from __future__ import annotations

import gc
import random
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import cheating_strategies as cheats
import numpy as np
import pytest
from harness_standard.strategies import STRATEGIES
from played import SEED, Played, play, shifted

from harness.errors import PluginError
from harness.federation.dependence import check_round as checking
from harness.federation.dependence.check_round import check_round
from harness.federation.dependence.influence import measure_influence
from harness.federation.dependence.own_aggregation import OwnAggregation
from harness.library_internals.flower import sending_as
from harness.recipe import Choice
from harness.record.dependence import LEAST_INFLUENCE, TOLERANCE, Dependence

pytestmark = pytest.mark.usefixtures("_a_sender")


@pytest.fixture
def _a_sender(monkeypatch):
    """Flower's messages ask who sends them, and its q-FedAvg collects garbage after each tensor."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
    with sending_as(1):
        yield


METHODS = {method.name: method for method in STRATEGIES}
NODES = range(8)


@cache
def shipped(name):
    """Return round 2 of a strategy that ships, played once."""
    return play(METHODS[name], rounds=2)[1]


def second_round(method):
    """Return round 2 of a strategy: momentum and the like have begun."""
    if METHODS.get(method.name) is method:
        return shipped(method.name)
    cheats.SEEN.clear()
    return play(method, rounds=2)[1]


def unknown() -> OwnAggregation:
    """An own aggregation that knows no formula."""
    spec = SimpleNamespace(
        seed=SEED, strategy=Choice(name="theirs/strategy"), peft=Choice(name="theirs/lora")
    )
    return OwnAggregation(spec, 8)


def checked(played: Played) -> Dependence:
    found, _ = check_round(played.case, unknown(), played.held, played.seed, NODES)
    return found


def influence(method):
    item = second_round(method)
    return measure_influence(item.case, item.held, item.seed, SEED, NODES)


@pytest.mark.parametrize("name", METHODS)
def test_every_strategy_that_ships_shows_the_influence_of_its_clients(name):
    found = influence(METHODS[name])
    assert found.repeated == 0
    assert max(found.clients.values()) > 0.01
    assert found.together > 0.01
    if METHODS[name].averages == "tensor" and "fixed-point" not in METHODS[name].broken_laws:
        assert found.unmoved < 1e-5


def test_an_influence_is_a_client_s_share_in_a_mean():
    item = second_round(METHODS["fedavg"])
    shares = [count / sum(item.case.examples) for count in item.case.examples]
    found = influence(METHODS["fedavg"])
    assert [found.clients[i] for i in range(5)] == pytest.approx(shares, rel=1e-2)
    assert found.together == pytest.approx(1.0, rel=1e-2)


def test_krum_is_moved_by_the_client_that_it_selects_and_by_all_together():
    found = influence(METHODS["krum"])
    assert sum(value > 0 for value in found.clients.values()) >= 1
    assert found.together == pytest.approx(1.0, rel=1e-2)


HONEST = [
    cheats.strategy("mean", cheats.mean),
    cheats.strategy("drawing", cheats.drawing),
    cheats.strategy("signs", cheats.signs),
    cheats.BULYAN,
]


@pytest.mark.parametrize("method", HONEST, ids=lambda method: method.name)
def test_honest_strategies_of_others_pass(method):
    found = checked(second_round(method))
    assert found.derived is None
    assert found.start == 0
    assert found.together > 1e-3


@pytest.mark.parametrize(
    ("combine", "problem"),
    [
        (cheats.stored, "round 2: it ignores its clients"),
        (cheats.remembered, "round 2: it ignores its clients"),
        (cheats.barely, "round 2: it ignores its clients"),
        (cheats.noisy, "the same replies give another aggregate"),
        (cheats.counting, "the same replies give another aggregate"),
    ],
)
def test_an_aggregate_that_is_not_made_of_the_replies_is_refused(combine, problem):
    played = second_round(cheats.strategy("cheat", combine))
    with pytest.raises(PluginError, match=f"strategy theirs/strategy, .*{problem}"):
        checked(played)


def test_a_stored_part_and_a_favoured_client_are_named_in_the_record():
    mixed = second_round(cheats.strategy("mixed", cheats.mixed))
    assert checked(mixed).unmoved > 0.5
    played = second_round(cheats.strategy("first", cheats.first_client))
    _, found = check_round(played.case, unknown(), played.held, played.seed, NODES)
    assert list(found.clients.values()) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert checked(second_round(HONEST[0])).unmoved < 1e-6


def test_a_trial_leaves_no_trace():
    played = second_round(cheats.strategy("drawing", cheats.drawing))
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.random()
    random.seed(3)
    np.random.seed(3)
    before = {name: values.copy() for name, values in played.case.after.items()}
    checked(played)
    assert (random.random(), np.random.random()) == expected
    assert all(np.array_equal(before[name], played.case.after[name]) for name in before)
    assert checked(played) == checked(played)


def test_a_change_of_a_ten_thousandth_is_rounding_and_more_is_not():
    item = second_round(METHODS["fedavg"])
    spec = SimpleNamespace(
        seed=SEED, strategy=Choice(name="standard/fedavg"), peft=Choice(name="standard/lora")
    )
    one = OwnAggregation(spec, 8).deviation(replace(item.case, after=shifted(item.case, 1e-3)))

    def of(by):
        step = by * TOLERANCE * 1e-3 / one
        case = replace(item.case, after=shifted(item.case, step))
        found, _ = check_round(case, OwnAggregation(spec, 8), None, item.seed, NODES)
        return found

    found = of(0.98)
    assert found.derived == pytest.approx(0.98 * TOLERANCE, rel=0.01)
    with pytest.raises(PluginError, match=r"standard/fedavg, round 2: its aggregate is 0\.0001"):
        of(1.02)
    same, _ = check_round(item.case, OwnAggregation(spec, 8), None, item.seed, NODES)
    assert same.derived == same.start == 0
    near = replace(item.case, after=shifted(item.case, 0.5 * checking.SMALLEST_DISTANCE))
    kept, _ = check_round(near, OwnAggregation(spec, 8), None, item.seed, NODES)
    assert kept.derived == 0


@pytest.mark.parametrize(("share", "passes"), [(0.5, False), (2.0, True)])
def test_a_millionth_of_the_replies_is_the_least_influence(share, passes):
    def combine(self, updates):
        average = cheats.mean(self, updates)
        return {n: np.float32(share * LEAST_INFLUENCE) * v for n, v in average.items()}

    item = second_round(cheats.strategy("least", combine))
    if passes:
        assert checked(item).together == pytest.approx(share * LEAST_INFLUENCE, rel=1e-2)
    else:
        with pytest.raises(PluginError, match="ignores its clients"):
            checked(item)


def test_of_more_than_eight_clients_eight_are_moved():
    from harness.federation.dependence.influence import MOST_MOVED, _sampled

    assert _sampled(8, SEED, 1) == list(range(8))
    assert len(set(_sampled(50, SEED, 1))) == MOST_MOVED == 8
    assert _sampled(50, SEED, 1) == _sampled(50, SEED, 1) != _sampled(50, SEED, 2)
