"""Runs whose replies or aggregates come from elsewhere end before their round is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cheating_strategies as cheats
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAvg
from served import serve, warm
from tiny_run import TinyRun

from harness.components import LocalObjective, LocalRound
from harness.errors import PluginError
from harness.federation import client, open_run
from harness.federation.storage.ledger import Ledger
from harness.recipe import Choice

OTHERS = "tiny/theirs"


@pytest.fixture
def named(small: TinyRun, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TinyRun]:
    """Return a function that gives a run a strategy of which the harness knows no formula."""
    load = open_run.load_components

    def give(combine: cheats.Combine, finish: Any = None) -> TinyRun:
        method = cheats.strategy("theirs", combine)
        part = LocalObjective(name="part", finish=finish) if finish else None

        def found(spec: Any) -> Any:
            from dataclasses import replace

            components = load(spec.with_values(strategy=small.spec.strategy.model_dump()))
            local = (lambda params: part) if part else None
            return replace(
                components,
                strategy=replace(method, local_objective=local),
                strategy_params=cheats.NoParams(),
            )

        monkeypatch.setattr(open_run, "load_components", found)
        monkeypatch.setattr(client, "_worker", None)
        spec = small.spec.with_values(strategy=Choice(name=OTHERS).model_dump())
        return TinyRun(spec, small.challenge, small.assets)

    return give


def test_an_honest_strategy_of_others_is_measured(
    named: Callable[..., TinyRun], tmp_path: Path
) -> None:
    rounds = serve(named(cheats.mean), tmp_path).outcome.rounds
    assert len(rounds) == 3
    for item in rounds:
        assert item.dependence is not None
        assert item.dependence.derived is None
        assert item.dependence.together == pytest.approx(1.0, rel=1e-2)
        assert item.dependence.unmoved == pytest.approx(0.0, abs=1e-6)
        assert [c.influence for c in item.clients] == pytest.approx([0.5, 0.5], rel=1e-2)
        assert [c.trained_influence for c in item.clients] == [1.0, 1.0]


def test_a_strategy_that_returns_a_stored_adapter_leaves_no_round(
    named: Callable[..., TinyRun], tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=f"strategy {OTHERS}, round 1: it ignores its clients"):
        serve(named(cheats.stored), tmp_path)
    assert Ledger(tmp_path).rounds == []
    assert not (tmp_path / "adapter").exists()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        "round-000000.safetensors"
    ]


def stored_reply(done: LocalRound) -> dict[str, Any]:
    return {name: np.full_like(values, 0.01) for name, values in done.trained.items()}


def half_of_it(done: LocalRound) -> dict[str, Any]:
    for values in done.trained.values():
        values *= np.float32(0.5)
    return dict(done.trained)


def test_a_client_that_returns_a_stored_adapter_is_refused_by_partition(
    named: Callable[..., TinyRun], tmp_path: Path
) -> None:
    run = named(cheats.mean, stored_reply)
    with pytest.raises(
        PluginError,
        match=rf"client of partition \d failed in round 1: strategy {OTHERS}: partition \d,"
        " round 1: the client returns the same whatever it has trained",
    ):
        serve(run, tmp_path)


def test_a_client_part_that_writes_into_what_it_is_given_is_measured(
    named: Callable[..., TinyRun], tmp_path: Path
) -> None:
    rounds = serve(named(cheats.mean, half_of_it), tmp_path, until=1).outcome.rounds
    assert [c.trained_influence for c in rounds[0].clients] == pytest.approx([0.5, 0.5], rel=1e-2)


@pytest.mark.parametrize("what", ["aggregate", "messages"])
def test_a_known_strategy_that_was_changed_in_memory_is_refused(
    what: str, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aggregate, configure = FedAvg.aggregate_train, FedAvg.configure_train

    def other(arrays: ArrayRecord) -> ArrayRecord:
        return ArrayRecord({n: Array(a.numpy() + np.float32(0.01)) for n, a in arrays.items()})

    def aggregate_train(self: Any, *args: Any) -> Any:
        arrays, metrics = aggregate(self, *args)
        return other(arrays), metrics

    def configure_train(self: Any, number: int, arrays: ArrayRecord, *args: Any) -> Any:
        return configure(self, number, other(arrays), *args)

    if what == "aggregate":
        monkeypatch.setattr(FedAvg, "aggregate_train", aggregate_train)
        problem = "round 1: its aggregate is"
    else:
        monkeypatch.setattr(FedAvg, "configure_train", configure_train)
        problem = "round 1: what it sent its clients is"
    warm(small)
    with pytest.raises(PluginError, match=f"strategy standard/fedavg, {problem}"):
        serve(small, tmp_path)
    assert Ledger(tmp_path).rounds == []
