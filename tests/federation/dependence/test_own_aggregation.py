"""The harness's own aggregation agrees with every strategy that ships, and with no other."""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from harness_standard.strategies import STRATEGIES
from played import CONTEXT, SEED, play, shifted

from harness.errors import RecordError
from harness.federation.dependence.known_strategies import RULES
from harness.federation.dependence.own_aggregation import OwnAggregation
from harness.recipe import Choice

try:
    from harness_federated_lora.strategies import STRATEGIES as NEWER
except ImportError:  # where only the other plugins are installed
    NEWER = ()

OWNERS = {method.name: "standard" for method in STRATEGIES}
OWNERS |= {method.name: "federated-lora" for method in NEWER}
METHODS = {method.name: method for method in (*STRATEGIES, *NEWER)}


@cache
def rounds_of(name):
    """Return four rounds of a strategy, played once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)  # Flower's q-FedAvg does so after each tensor
        return play(METHODS[name])


class Spec:
    """What the own aggregation reads of a spec."""

    seed = SEED
    peft = Choice(name=CONTEXT.peft_method, params=dict(CONTEXT.peft_params))

    def __init__(self, name, **params):
        method = METHODS[name]
        self.params = method.params(**params)
        self.strategy = Choice(
            name=f"{OWNERS[name]}/{name}", params=self.params.model_dump(mode="json")
        )


def own_of(name, **params):
    return OwnAggregation(Spec(name, **params), CONTEXT.num_supernodes)


def test_every_strategy_that_ships_is_known():
    known = {name for name in RULES if NEWER or name.startswith("standard/")}
    assert {f"{OWNERS[name]}/{name}" for name in METHODS} == known


@pytest.mark.parametrize("name", METHODS)
def test_what_a_strategy_makes_is_what_its_formula_gives(name):
    own = own_of(name)
    for item in rounds_of(name):
        assert own.start_deviation(item.case) < 1e-6
        assert own.deviation(item.case) < 2e-6, item.case.round


OTHERS = [
    ("fedavgm", {"server_momentum": 0.0, "server_learning_rate": 0.5}),
    ("fedadam", {"eta": 0.1, "tau": 1e-8}),
    ("fedtrimmedavg", {"beta": 0.4}),
    ("krum", {"num_malicious_nodes": 0}),
    ("multikrum", {"num_nodes_to_select": 5}),
    ("qfedavg", {"q": 2.0, "client_learning_rate": 1e-3}),
    ("dp-server-side", {"clipping_norm": 100.0, "noise_multiplier": 0.0}),
    ("scaffold", {"server_learning_rate": 0.3}),
]


@pytest.mark.parametrize(("name", "params"), OTHERS, ids=str)
def test_it_does_so_with_other_parameters(name, params):
    own = own_of(name, **params)
    for item in play(METHODS[name], METHODS[name].params(**params)):
        assert own.deviation(item.case) < 1e-5


@pytest.mark.parametrize("name", METHODS)
def test_an_aggregate_that_is_another_is_told(name):
    own, (first, *_) = own_of(name), rounds_of(name)
    stored = {n: np.full_like(v, 0.1) for n, v in first.case.after.items()}
    assert own.deviation(replace(first.case, after=stored)) > 1e-2
    assert own.deviation(replace(first.case, after=shifted(first.case, 1e-3))) > 5e-4


@pytest.mark.parametrize("name", ["fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold"])
def test_it_goes_on_from_a_checkpoint_to_the_same_numbers(name):
    own, other = own_of(name), own_of(name)
    first, second, third, _ = rounds_of(name)
    for item in (first, second):
        own.deviation(item.case)
    other.restore(2, own.tensors())
    assert other.deviation(third.case) == own.deviation(third.case) < 2e-6
    with pytest.raises(RecordError, match="did not aggregate"):
        own_of(name).restore(2, {})


def test_one_client_alone_is_no_mean_and_no_choice_of_krum_s_but_the_closest():
    for name, closest in (("fedavg", None), ("krum", 0)):
        own, (item, *_) = own_of(name), rounds_of(name)
        found = [
            own.deviation(replace(item.case, after={**item.case.before, **update}))
            for update in item.case.updates
        ]
        assert sum(value < 1e-6 for value in found) == (closest is not None)


def test_clients_that_start_from_another_adapter_are_told():
    for name in ("fedavg", "scaffold", "flora", *(method.name for method in NEWER)):
        own = own_of(name)
        first, last, *_ = rounds_of(name)
        if name == "scaffold":
            own.deviation(first.case)
        tensor = next(reversed(last.case.sent[0]))
        other = {**last.case.sent[0], tensor: last.case.sent[0][tensor] + np.float32(0.01)}
        assert own.start_deviation(last.case) < 1e-6
        assert own.start_deviation(replace(last.case, sent=[other])) > 1e-3
