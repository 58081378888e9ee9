"""What a component's functions answer is checked by `plan`: one line that names the component."""

from __future__ import annotations

import pytest

from harness.components import ModelSpec, PeftMethod, RoundPlan, StrategyContext, StrategyMethod
from harness.document import Document
from harness.document.plain_values import why_not_plain
from harness.errors import PluginError
from harness.planning.component_checks import (
    adapter_shapes,
    objection,
    round_plan,
    travelling_shapes,
)
from harness.recipe import Choice, TrainSpec

MODEL = ModelSpec(
    name="m", hub_id="o/m", layers=1, hidden=8, intermediate=16, heads=2, kv_heads=1, vocab=32
)
SHAPES = {"a": (2, 4), "b": (4, 2)}
CONTEXT = StrategyContext(
    num_supernodes=4, clients_per_round=2, fraction=0.5, rounds=2, seed=0, shapes=SHAPES,
    peft_method="p/m",
)  # fmt: skip


def method(shapes, frozen=lambda name: False):
    return PeftMethod("m", Document, configure=print, shapes=shapes, frozen=frozen)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            lambda m, p: 1 / 0,
            "raised ZeroDivisionError: division by zero (test_component_checks.py",
        ),
        (lambda m: {}, "raised TypeError"),
        (lambda m, p: None, "returned NoneType"),
        (lambda m, p: [("a", (1, 2))], "returned list"),
        (lambda m, p: {"a": (1.5, 2)}, "has 'a': (1.5, 2)"),
        (lambda m, p: {"a": (0, 2)}, "has 'a': (0, 2)"),
        (lambda m, p: {"a": "4x8"}, "has 'a': '4x8'"),
        (lambda m, p: {1: (4, 8)}, "has 1:"),
        (lambda m, p: {}, "forecasts no tensor"),
        (lambda m, p: {"prompt_embeddings": (4, 8)}, "prompt learning adds tokens to the examples"),
    ],
)
def test_a_wrong_forecast_is_named(shapes, words):
    with pytest.raises(PluginError) as caught:
        adapter_shapes("p/m", method(shapes), MODEL, Document())
    assert "PEFT method p/m: shapes()" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_that_is_frozen_whole_is_refused():
    frozen = method(lambda m, p: SHAPES, frozen=lambda name: True)
    with pytest.raises(PluginError, match="nothing would train"):
        travelling_shapes("p/m", frozen, adapter_shapes("p/m", frozen, MODEL, Document()))


def strategy(**fields):
    return StrategyMethod("s", Document, build=print, **fields)


def plan(**changes):
    fields = {"down": SHAPES, "up": SHAPES, "train": frozenset(SHAPES)} | changes
    return strategy(round_plan=lambda p, c, r: RoundPlan(**fields))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (strategy(round_plan=lambda p, c, r: None), "returned NoneType"),
        (strategy(round_plan=lambda p, c, r: c.nothing), "raised AttributeError"),
        (plan(down={"a": (2, 5)}), "gives a the shape (2, 5)"),
        (plan(down={"a": 3}), "has 'a': 3"),
        (plan(train=frozenset({"a", "z"})), "trains 'z', which is no tensor"),
        (plan(train=frozenset()), "trains nothing"),
        (plan(up={"a": (2, 4)}), "trains 'b', which is neither returned nor kept"),
        (plan(up={**SHAPES, "mine": (3,)}), "return 'mine', which no client part makes"),
    ],
)
def test_a_wrong_round_plan_is_named(chosen, words):
    with pytest.raises(PluginError) as caught:
        round_plan("p/s", chosen, Document(), CONTEXT, 2)
    assert "strategy p/s: round_plan() of round 2" in str(caught.value)
    assert words in str(caught.value)


def test_what_a_client_part_makes_may_come_up():
    chosen = plan(up={**SHAPES, "mine": (3,)})
    made = strategy(round_plan=chosen.round_plan, local_objective=print)
    assert round_plan("p/s", made, Document(), CONTEXT, 1).up["mine"] == (3,)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"supports": lambda name, params: True}, "supports() returned True"),
        ({"supports": lambda name, params: params["r"]}, "supports() raised KeyError"),
        ({"supports_training": lambda params, train: 3}, "supports_training() returned 3"),
        ({"supports_clients": lambda params, clients: clients}, "supports_clients() returned 5"),
    ],
)
def test_an_objection_is_a_reason_or_none(fields, words):
    with pytest.raises(PluginError) as caught:
        objection("p/s", strategy(**fields), Document(), Choice(name="p/m"), TrainSpec(), 5)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"b": [1, float("nan")]}}, "a.b[1] is nan"),
        ({"a": {1: 2}}, "key 1"),
        ({"a": frozenset("xy")}, "a is of type frozenset"),
        ([print], "builtin_function_or_method"),
    ],
)
def test_what_json_cannot_carry_is_found(value, words):
    assert words in str(why_not_plain(value))
    assert why_not_plain({"a": [1, 2.5, None, True, ("x", {"y": "z"})]}) is None
