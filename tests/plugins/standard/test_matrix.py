"""Every cell of the validity matrix: what it allows trains, what it refuses `plan` refuses.

An allowed cell is run as a small real federation: a random Llama with the real peft adapter, real
gradients, the strategy's own messages and client part; 2 rounds of 2 of 4 clients. Every client
reads the same few sentences, so the loss of the final adapter must fall.
"""

from __future__ import annotations

import functools
import itertools
import warnings

import numpy as np
import pytest
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES
from harness_standard.validity import PER_FACTOR, PER_TENSOR, REFUSALS, why_not

from harness.components import HISTORY, StrategyContext
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.planning.resolve import Request, resolve
from harness.testing.samples import TINY

torch = pytest.importorskip("torch")
history_added = pytest.importorskip("harness.training.history").history_added

METHODS = {method.name: method for method in PEFT_METHODS}
STRATEGY = {method.name: method for method in STRATEGIES}
CELLS = list(itertools.product(PER_TENSOR + PER_FACTOR, METHODS))
ALLOWED = [cell for cell in CELLS if why_not(*cell) is None]
REFUSED = [cell for cell in CELLS if why_not(*cell) is not None]
STRATEGY_PARAMS = {
    "dp-server-side": {"noise_multiplier": 0.001},
    "dp-client-side": {"noise_multiplier": 0.001},
    "fedadam": {"eta": 0.05},
    "fedyogi": {"eta": 0.05},
    "fedadagrad": {"eta": 0.05},
}
RATE = {"scaffold": 1e-3}
"""SCAFFOLD's control variates want plain steps; the federation's rate is 1e-3."""


def test_the_matrix_covers_what_the_plugin_offers():
    assert {name for item in REFUSALS for name in item.methods} <= METHODS.keys()
    assert sorted(PER_TENSOR + PER_FACTOR) == sorted(STRATEGY)


@functools.cache
def learner(method_name):
    """A peft model on a random Llama with its initial values: (model, params, tensors, initial)."""
    from peft import get_peft_model, get_peft_model_state_dict

    from harness.testing.peft_checks import random_model

    method = METHODS[method_name]
    small = {"r": 4} if "r" in method.params.model_fields else {}
    params = method.params(**small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(random_model(TINY), method.configure(TINY, params))
        state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: state[name] for name in method.travelling(TINY, params)}
    initial = {name: value.detach().numpy().copy() for name, value in tensors.items()}
    by_memory = {p.data_ptr(): p for p in model.parameters()}
    parameters = {name: by_memory[value.data_ptr()] for name, value in tensors.items()}
    return model, params, parameters, initial


TEXT = torch.arange(24).reshape(2, 12) * 7 % TINY.vocab


def load(method_name, values):
    _, _, parameters, _ = learner(method_name)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(np.array(values[name])))


def loss_of(method_name, values):
    """The loss of an adapter; one whose rank has grown is added to the base, as clients add it."""
    model, params, _, initial = learner(method_name)
    history = {}
    if any(value.shape != initial[name].shape for name, value in values.items()):
        scale = np.float32(params.alpha / params.r)
        history = {
            HISTORY + name: value * (scale if ".lora_B." in name else 1)
            for name, value in values.items()
        }
        values = initial  # B is zero there
    load(method_name, values)
    with history_added(model.get_base_model(), history, "cpu"):
        return model(input_ids=TEXT, labels=TEXT).loss


@pytest.mark.parametrize(("strategy", "method"), ALLOWED, ids=map("-".join, ALLOWED))
def test_an_allowed_cell_trains(strategy, method):
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more only wait for each other on tensors this small
    chosen = STRATEGY[strategy]
    model, peft_params, parameters, initial = learner(method)
    model.eval()
    params = chosen.params(**STRATEGY_PARAMS.get(strategy, {}))
    context = StrategyContext(
        num_supernodes=4,
        clients_per_round=2,
        fraction=0.5,
        rounds=2,
        seed=5,
        shapes={name: value.shape for name, value in initial.items()},
        peft_method=f"standard/{method}",
        peft_params=peft_params.model_dump(),
    )

    def train(held, round, partition):
        received = {name: torch.from_numpy(np.array(value)) for name, value in held.items()}
        plan = chosen.plan_of(params, context, round)
        load(method, held)
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in plan.train)
        moved = {name: p for name, p in parameters.items() if name in plan.train}
        plain = strategy == "scaffold"
        kind = torch.optim.SGD if plain else torch.optim.Adam
        optimizer = kind(moved.values(), lr=0.001 if plain else 0.01)
        for _ in range(3):
            optimizer.zero_grad()
            with history_added(model.get_base_model(), held, "cpu"):
                loss = model(input_ids=TEXT, labels=TEXT).loss
            if federation.objective is not None and federation.objective.loss is not None:
                loss = loss + federation.objective.loss(moved, received)
            loss.backward()
            optimizer.step()
        return {name: p.detach().numpy().copy() for name, p in parameters.items()}

    federation = SmallFederation(chosen, params, context, train, initial=dict(initial))
    before = loss_of(method, initial).item()
    after = loss_of(method, federation.rounds(2)).item()
    assert np.isfinite(after)
    assert after < before


RECIPE = """
from harness import hookimpl
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_recipes():
    return [Recipe(name="cell", title="a cell", model="smollm2-dora/smollm2-135m-instruct",
                   peft=Choice(name="standard/{method}"),
                   strategy=Choice(name="standard/{strategy}"),
                   train=TrainSpec(rounds=2, optimizer="{optimizer}"))]
"""


@pytest.mark.parametrize(("strategy", "method"), REFUSED, ids=map("-".join, REFUSED))
def test_plan_refuses_a_refused_cell_with_its_reason(strategy, method, install_plugin):
    optimizer = "sgd" if strategy == "scaffold" else "adamw_torch"
    install_plugin("cell", RECIPE.format(strategy=strategy, method=method, optimizer=optimizer))
    found = resolve(Request(plugin="cell")).violations
    assert [item.rule for item in found] == ["valid-combination"]
    assert why_not(strategy, method) in found[0].found


def test_low_rank_strategies_refuse_methods_they_do_not_know():
    assert "shown valid for" in STRATEGY["flexlora"].supports("other/lora", {})
    assert STRATEGY["fedavg"].supports("other/lora", {}) is None


def test_scaffold_asks_for_plain_steps():
    options = ("strategy=standard/scaffold", "peft=standard/lora")
    found = resolve(Request(plugin="smollm2-dora/135m", overrides=options)).violations
    assert "train.optimizer=sgd" in found[0].found
    assert not resolve(
        Request(plugin="smollm2-dora/135m", overrides=(*options, "train.optimizer=sgd"))
    ).violations
