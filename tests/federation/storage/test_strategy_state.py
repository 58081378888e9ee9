"""What a strategy keeps in its attributes survives a checkpoint, or is refused by name."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp.strategy import FedAvg
from served import serve
from tiny_run import tiny_run

from harness.document import canonical_json
from harness.errors import PluginError, RecordError
from harness.federation.storage import checkpoint
from harness.federation.storage.strategy_state import capture, restore


def fresh() -> FedAvg:
    return FedAvg(fraction_train=0.5, fraction_evaluate=0.0)


VALUES: dict[str, Any] = {
    "array": np.arange(6, dtype=np.float64).reshape(2, 3),
    "scalar": np.float32(0.1),
    "number": 0.1 + 0.2,
    "infinite": float("inf"),
    "nested": {"a": [1, (2.5, None)], 3: {"b": b"\x00\xff"}},
    "names": {"x", "y"},
    "record": ArrayRecord({"w": Array(np.ones((2, 2), dtype=np.float32))}),
    "metrics": MetricRecord({"loss": 1.5, "steps": [1, 2]}),
    "inner": fresh(),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back(name: str) -> None:
    before, after = fresh(), fresh()
    setattr(before, name, VALUES[name])
    setattr(after, name, fresh() if name == "inner" else None)
    state, tensors = capture(before)
    canonical_json(state)  # JSON: no NaN, no object
    restore(after, state, {key: array.copy() for key, array in tensors.items()})
    again, tensors_again = capture(after)
    assert again == state
    assert all(np.array_equal(tensors[key], tensors_again[key]) for key in tensors)
    assert type(getattr(after, name)) is type(VALUES[name])


def test_the_format_is_the_one_of_older_checkpoints() -> None:
    """A run is resumed by the next version of the harness: these texts stand in its checkpoints."""
    strategy = fresh()
    vars(strategy).clear()
    strategy.a = [1, (2.5, None), {"x"}, b"\xff", "text", True]
    strategy.b = {3: np.float32(0.5), "w": np.zeros((1, 2))}
    strategy.c = MetricRecord({"loss": 1.5})
    strategy.d = ConfigRecord({"mu": [1, 2]})
    strategy.e = ArrayRecord({"w": Array(np.ones(1, np.float32))})
    state, tensors = capture(strategy)
    assert canonical_json(state["attributes"]) == (
        '{"a":{"list":[1,{"tuple":[{"float":"0x1.4000000000000p+1"},null]},{"set":["x"]},'
        '{"bytes":"ff"},"text",true]},"b":{"dict":[[3,{"scalar":"00000"}],["w",{"array":"00001"}]]'
        '},"c":{"metrics":[["loss",{"float":"0x1.8000000000000p+0"}]]},'
        '"d":{"config":[["mu",{"list":[1,2]}]]},"e":{"arrays":[["w","00002"]]}}'
    )
    assert [array.shape for array in tensors.values()] == [(), (1, 2), (1,)]


def test_generators_go_on_where_they_were() -> None:
    before, after = fresh(), fresh()
    before.noise, before.dice = np.random.default_rng(1), random.Random(1)
    before.noise.normal(size=3), before.dice.random()
    state, tensors = capture(before)
    after.noise = after.dice = None
    restore(after, state, tensors)
    assert after.noise.normal() == before.noise.normal()
    assert after.dice.random() == before.dice.random()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ((item for item in ()), "builtins.generator"),
        (object(), "builtins.object"),
        ({"deep": [open]}, "nothing"),
    ],
)
def test_what_cannot_be_kept_is_named(value: object, named: str) -> None:
    strategy = fresh()
    strategy.history = value
    if named == "nothing":
        with pytest.raises(PluginError, match=r"FedAvg\.history\['deep'\]\[0\]"):
            capture(strategy)
        return
    with pytest.raises(PluginError, match=rf"FedAvg\.history holds a {named}"):
        capture(strategy)


def test_a_run_with_such_a_strategy_is_refused_before_it_trains(
    tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=r"FedAvg\.history holds a builtins\.generator"):
        serve(tiny_run(tiny_model, "lossy", supernodes=4), tmp_path / "run")
    assert not checkpoint.rounds_on_disk(tmp_path / "run")


def test_a_strategy_with_its_own_start_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"OwnStart overrides Flower's start\(\)"):
        serve(tiny_run(tiny_model, "own-start", supernodes=4), tmp_path / "run")


def test_state_of_another_class_is_refused() -> None:
    class Other(FedAvg):
        pass

    state, tensors = capture(fresh())
    with pytest.raises(RecordError, match="state of a FedAvg; the strategy is a "):
        restore(Other(fraction_train=0.5, fraction_evaluate=0.0), state, tensors)


def test_what_a_strategy_does_with_its_state_names_the_strategy() -> None:
    class Strict(FedAvg):
        @property
        def momentum(self) -> int:
            return 0

    strategy = Strict(fraction_train=0.5, fraction_evaluate=0.0)
    state, tensors = capture(strategy)
    state["attributes"]["momentum"] = 1
    with pytest.raises(PluginError, match="Strict: its state raised AttributeError"):
        restore(strategy, state, tensors)
    strategy.mixed = {1, "one"}
    with pytest.raises(PluginError, match="Strict: its state raised TypeError"):
        capture(strategy)
