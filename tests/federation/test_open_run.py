"""A run is opened once in a process, and what plugin code answers in any round names the plugin."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness.errors import PluginError
from harness.federation import client, open_run
from harness.federation.clientapp.worker import Worker
from harness.federation.open_run import OpenRun
from harness.machine.versions import harness_code
from harness.record.machine import HarnessCode
from harness.training.fused.compiled import FOLDERS


def with_plans(monkeypatch: pytest.MonkeyPatch, plan: Any) -> None:
    """Let the strategy have another `round_plan`."""
    monkeypatch.setattr(client, "_worker", None)  # this process's client opens the run anew
    load = open_run.load_components

    def changed(spec: Any) -> Any:
        found = load(spec)
        return replace(found, strategy=replace(found.strategy, round_plan=plan))

    monkeypatch.setattr(open_run, "load_components", changed)


def with_settings(monkeypatch: pytest.MonkeyPatch, setting: str, values: list[Any]) -> None:
    """Let the PEFT method's configuration have the next of `values` each time it is asked for."""
    load = open_run.load_components

    def changed(spec: Any) -> Any:
        found = load(spec)

        def configure(model: Any, params: Any) -> Any:
            config = found.method.configure(model, params)
            setattr(config, setting, values.pop(0))
            return config

        return replace(found, method=replace(found.method, configure=configure))

    monkeypatch.setattr(open_run, "load_components", changed)


def whole(params: Any, context: StrategyContext, number: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(down=shapes, up=shapes, train=frozenset(shapes))


def raising(params: Any, context: StrategyContext, number: int) -> RoundPlan:
    if number == 2:
        raise KeyError("no factor for this round")
    return whole(params, context, number)


def forgetful(params: Any, context: StrategyContext, number: int) -> RoundPlan:
    plan = whole(params, context, number)
    return replace(plan, up={}) if number == 2 else plan


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (raising, r"round_plan\(\) of round 2 raised KeyError: 'no factor for this round'"),
        (forgetful, r"round_plan\(\) of round 2 trains .* so it would be lost"),
    ],
)
def test_a_plan_that_fails_in_a_later_round_names_its_strategy(
    plan: Any, problem: str, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_plans(monkeypatch, plan)
    with pytest.raises(PluginError, match=rf"^strategy {small.spec.strategy.name}: {problem}"):
        serve(small, tmp_path)
    assert len((tmp_path / "rounds.jsonl").read_text().splitlines()) == 1


def test_a_method_that_configures_each_process_in_its_own_way_is_named_before_it_trains(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings(monkeypatch, "lora_alpha", [64, 64, 13])
    for until in (1, 2):  # each in a process of its own; the second has what the first had
        monkeypatch.setattr(client, "_worker", None)
        serve(small, tmp_path, until=until)
    monkeypatch.setattr(client, "_worker", None)
    told = (
        r"PEFT method lora: configure\(\).* \(.*test_open_run.py:\d+\) gives each process another"
    )
    with pytest.raises(PluginError, match=told) as caught:
        serve(small, tmp_path)
    assert "lora_alpha is 13 here, 64 in" in str(caught.value)
    assert len((tmp_path / "rounds.jsonl").read_text().splitlines()) == 2


def test_a_method_for_inference_is_named_and_no_client_is(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_worker", None)
    with_settings(monkeypatch, "inference_mode", [True])
    told = r"^PEFT method lora: configure\(\).* sets inference_mode, with which peft trains nothing"
    with pytest.raises(PluginError, match=told):
        serve(small, tmp_path)


@pytest.mark.parametrize(("setting", "value"), [("lora_alpha", 16), ("task_type", None)])
def test_a_configuration_that_is_not_the_recipe_s_is_refused_before_training(
    setting: str, value: Any, small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No check would accept the adapter afterwards."""
    monkeypatch.setattr(client, "_worker", None)
    with_settings(monkeypatch, setting, [value] * 9)
    with pytest.raises(PluginError, match=rf"configure\(\).* sets {setting} to .* recipe makes"):
        serve(small, tmp_path)
    assert not (tmp_path / "rounds.jsonl").exists()


def test_code_is_loaded_and_built_once(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_worker", None)
    calls: dict[str, int] = {}

    def counted(name: str) -> None:
        work = getattr(open_run, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return work(*args, **kwargs)

        for module in list(sys.modules.values()):
            known = getattr(module, "__dict__", {})
            if known.get(name) is work and module.__name__.startswith("harness.federation"):
                monkeypatch.setattr(module, name, count)

    for name in ("load_components", "strategy_context", "client_part", "build_strategy"):
        counted(name)
    serve(small, tmp_path)
    # Server and client share this process: each opens the run once, and one builds a strategy.
    assert calls == {
        "load_components": 2, "strategy_context": 2, "client_part": 2, "build_strategy": 1,
    }  # fmt: skip


def test_a_plan_is_asked_once_for_a_round(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noting(params: Any, context: StrategyContext, number: int) -> RoundPlan:
        asked.append(number)
        return whole(params, context, number)

    with_plans(monkeypatch, noting)
    run = OpenRun(tiny_run(tiny_model, supernodes=4).job)
    for number in (1, 1, 2, 2, 2):
        assert run.plan(number).train == set(run.context.shapes)
    assert asked == [1, 2]


def test_frozen_tensors_are_those_that_do_not_travel(tiny_model: Path) -> None:
    run = OpenRun(tiny_run(tiny_model, supernodes=4).job)
    assert run.frozen == frozenset()
    assert run.shapes == dict(run.context.shapes)
    assert isinstance(run.components.strategy, StrategyMethod)


def test_a_client_with_another_harness_refuses_to_train_and_names_both(small: TinyRun) -> None:
    here = harness_code()
    other = HarnessCode(version="0.2.0", digest="e" * 64)
    job = small.job.with_values(harness=other)
    version = re.escape(here.version)
    both = rf"harness is {version} \({here.digest[:12]}\) here, the run's is 0.2.0 \(e{{12}}\)"
    with pytest.raises(PluginError, match=both):
        Worker(job, "")


def test_a_client_with_another_plugin_refuses_to_train_and_names_both(small: TinyRun) -> None:
    spec = small.spec
    [ref, *others] = spec.plugins  # of the strategy; the recipe's is not loaded
    other = ref.with_values(digest="e" * 64)
    job = small.job.with_values(spec=spec.with_values(plugins=(other, *others)))
    version = re.escape(ref.version)
    both = rf"\({ref.digest[:12]}\) here, the run was resolved with {version} \(e{{12}}\)"
    with pytest.raises(PluginError, match=both):
        Worker(job, "")


def test_a_client_that_imports_what_no_digest_covers_is_refused(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(small.job, "")
    (tmp_path / "brought_along.py").write_text("")

    update = SimpleNamespace(arrays={}, kept={})

    def train(*arguments: Any) -> SimpleNamespace:
        import_module("colorsys")
        return update

    def train_with_more(*arguments: Any) -> SimpleNamespace:
        monkeypatch.syspath_prepend(str(tmp_path))
        import_module("brought_along")
        return update

    monkeypatch.setattr(worker.trainer, "train", train)
    assert worker.train({}, 1, 0, {}, 0, tmp_path).update is update
    monkeypatch.setattr(worker.trainer, "train", train_with_more)
    with pytest.raises(PluginError, match=rf"module brought_along was imported from {tmp_path}"):
        worker.train({}, 1, 0, {}, 0, tmp_path)


def test_what_triton_compiles_while_a_client_trains_is_no_foreign_module(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FOLDERS:
        monkeypatch.setenv(name, str(tmp_path))  # where a person's cache is
    worker = Worker(small.job, "")
    cache = Path(os.environ["TRITON_CACHE_DIR"])
    assert not cache.is_relative_to(tmp_path)
    assert not cache.parent.exists()  # a process on a CPU leaves nothing, however it ends
    update = SimpleNamespace(arrays={}, kept={})

    def train(*arguments: Any) -> SimpleNamespace:
        cache.mkdir(parents=True)
        (cache / "triton_launcher_here.py").write_text("")
        monkeypatch.syspath_prepend(str(cache))
        import_module("triton_launcher_here")
        return update

    monkeypatch.setattr(worker.trainer, "train", train)
    try:
        assert worker.train({}, 1, 0, {}, 0, tmp_path).update is update
    finally:
        sys.modules.pop("triton_launcher_here", None)
