"""A run is rehearsed before it trains: what would fail in a late round fails at once."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAvg
from tiny_run import tiny_run

from harness.components import StrategyContext
from harness.errors import PluginError
from harness.federation import open_run
from harness.federation.open_run import OpenRun
from harness.federation.options import Options
from harness.federation.order import FederationOrder
from harness.federation.rehearsal import rehearse as rehearsing
from harness.federation.rehearsal.rehearse import rehearse
from harness.federation.served import serve

ROUNDS = 9
HERE = Path(__file__).name

calls: list[int] = []
"""What the plugin keeps in its module."""


class Mine(FedAvg):
    """Does what a test wants in each round."""

    what: Callable[[int, dict[str, Any]], Any] = staticmethod(lambda round, arrays: None)

    def aggregate_train(self, server_round: int, replies: Any) -> Any:
        """Average, note it, and do what is wanted."""
        arrays, metrics = super().aggregate_train(server_round, replies)
        calls.append(server_round)
        random.random(), np.random.random()
        self.what(server_round, arrays)
        return arrays, metrics


Opened = Callable[[Callable[[int, Any], Any]], OpenRun]


@pytest.fixture
def opened(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Return a run of nine rounds whose strategy does something of its own in each."""
    calls.clear()

    def run(what: Callable[[int, Any], Any]) -> OpenRun:
        def build(params: Any, context: StrategyContext) -> Mine:
            strategy = Mine(fraction_train=context.fraction, fraction_evaluate=0.0)
            monkeypatch.setattr(Mine, "what", staticmethod(what))
            return strategy

        load = open_run.load_components

        def changed(spec: Any) -> Any:
            found = load(spec)
            return replace(found, strategy=replace(found.strategy, build=build))

        monkeypatch.setattr(open_run, "load_components", changed)
        return OpenRun(tiny_run(tiny_model, "momentum", rounds=ROUNDS).job)

    return run


def in_round_nine(round: int, arrays: Any) -> None:
    if round == ROUNDS:
        raise KeyError("no factor for this round")


def test_what_fails_in_the_last_round_is_told_before_the_first(opened: Opened) -> None:
    begin = time.monotonic()
    with pytest.raises(PluginError, match="no factor for this round") as caught:
        rehearse(opened(in_round_nine))
    assert time.monotonic() - begin < 15
    assert "round 9" in str(caught.value)
    assert f"{HERE}:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rehearsal_leaves_nothing_behind(
    opened: Opened, capfd: pytest.CaptureFixture[str]
) -> None:
    run = opened(lambda round, arrays: print("round", round))
    states = random.getstate(), np.random.get_state()[1].tolist()
    rehearse(run)
    assert calls == []
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_only_a_small_model_shows_is_told_and_stops_nothing(
    opened: Opened, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for = {len(run.context.shapes) for run in [opened(lambda round, arrays: None)]}
    monkeypatch.setattr(rehearsing, "LAYERS", 1)

    def only_these(round: int, arrays: Any) -> None:
        if len(arrays) not in made_for:
            raise KeyError("layers.1")

    rehearse(opened(only_these))
    told = capfd.readouterr().err
    assert "layers.1" in told
    assert "the run goes on" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            lambda round, arrays: time.sleep(60),
            "limit of 1 s after 0 of 9 rounds, in test_rehearse.py:",
        ),
        (lambda round, arrays: os.kill(os.getpid(), 9), "its process ended after 0 of 9"),
    ],
)
def test_what_never_ends_or_ends_its_process_is_told_and_stops_nothing(
    opened: Opened, capfd: pytest.CaptureFixture[str], what: Any, words: str
) -> None:
    begin = time.monotonic()
    rehearse(opened(what), quiet=True, limit_s=1.0)
    assert time.monotonic() - begin < 10
    told = capfd.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_a_run_is_rehearsed_before_anything_of_it_starts(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(in_round_nine)
    order = FederationOrder(
        job=run.job, options=Options(), run_dir=str(tmp_path), folder=str(tmp_path)
    )
    with pytest.raises(PluginError, match=r"round 9.*--no-rehearsal"):
        serve(order, None)
    begun: list[OpenRun] = []

    def simulate(served: Any, run: OpenRun, *others: Any) -> None:
        begun.append(run)
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.federation.simulation.simulation.simulate", simulate)
    with pytest.raises(KeyboardInterrupt):
        serve(order.with_values(options=Options(rehearse=False)), None)
    assert len(begun) == 1
