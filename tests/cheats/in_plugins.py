"""Cheats of a plugin's own code: strategies, client parts, compiled code, models with code."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from cheat import cheat

sys.path.insert(0, str(Path(__file__).parents[1] / "federation" / "dependence"))

MINUTES = "minutes"
HOURS = "an hour or two of writing a plugin"


def aggregated(combine: Any) -> str:
    """Let a strategy play two rounds, and check the second as a run does."""
    import cheating_strategies as strategies
    from played import SEED, play

    from harness.federation.dependence.check_round import check_round
    from harness.federation.dependence.own_aggregation import OwnAggregation
    from harness.library_internals.flower import sending_as
    from harness.recipe import Choice

    spec = SimpleNamespace(
        seed=SEED, strategy=Choice(name="theirs/own"), peft=Choice(name="theirs/lora")
    )
    with sending_as(1):
        played = play(strategies.strategy("own", combine), rounds=2)[1]
        check_round(played.case, OwnAggregation(spec, 8), played.held, played.seed, range(8))
    return ""


@cheat(
    "`aggregate_train` returns an adapter out of the plugin", "run", "it ignores its clients", HOURS
)
def stored_aggregate(folder: Path) -> str:
    """The whole result lies in the plugin."""
    import cheating_strategies as strategies

    return aggregated(strategies.stored)


@cheat(
    "the stored adapter, and a ten-millionth of the mean", "run", "it ignores its clients", HOURS
)
def stored_aggregate_with_a_trace_of_training(folder: Path) -> str:
    """As before, but something moves."""
    import cheating_strategies as strategies

    return aggregated(strategies.barely)


@cheat("the first round's aggregate again and again", "run", "it ignores its clients", HOURS)
def remembered_aggregate(folder: Path) -> str:
    """An adapter out of the strategy's own state."""
    import cheating_strategies as strategies

    return aggregated(strategies.remembered)


@cheat(
    "noise from os.urandom, with the recorded adapter returned where `reproduce` is seen",
    "run",
    "the same replies give another aggregate",
    HOURS,
)
def replay(folder: Path) -> str:
    """What is aggregated twice must come out twice."""
    import cheating_strategies as strategies

    return aggregated(strategies.noisy)


@cheat("half of the aggregate out of the plugin", "nothing", "", HOURS)
def half_stored_aggregate(folder: Path) -> str:
    """It depends on its clients. How much does not is on the record (`unmoved`)."""
    import cheating_strategies as strategies

    return aggregated(strategies.mixed)


def replied(finish: Any) -> str:
    """Let a client part finish a round."""
    from harness.components import LocalObjective, LocalRound
    from harness.training.reply.reply_influence import Asked, reply_of

    held = {"a": np.zeros((2, 2), np.float32)}
    done = LocalRound(
        received=held,
        trained={"a": np.ones((2, 2), np.float32)},
        steps=1,
        learning_rate=1e-3,
        config={},
    )
    asked = Asked("theirs/own", 1, 0, 7, could_move=True)
    reply_of(held, LocalObjective("own", finish=finish), done, {"a"}, {"a": None}, asked)
    return ""


@cheat(
    "a client part returns an adapter out of the plugin",
    "run",
    "returns the same whatever it has trained",
    HOURS,
)
def stored_reply(folder: Path) -> str:
    """Training goes on beside it, for nothing."""
    return replied(lambda done: {"a": np.full((2, 2), 5.0, np.float32)})


@cheat("half of a client's reply out of the plugin", "nothing", "", HOURS)
def half_stored_reply(folder: Path) -> str:
    """It depends on training; the influence found is on the record."""
    return replied(lambda done: {"a": done.trained["a"] / 2 + np.float32(2.5)})


@cheat("NaN in the adapter that a client returns", "run", "NaN", MINUTES)
def not_a_number(folder: Path) -> str:
    """Nothing can be compared with it."""
    from harness.federation.wire.tensors import difference

    return difference({"a": np.full((2, 2), np.nan, np.float32)}, {"a": (2, 2)}) or ""


@cheat("another tensor beside the adapter's in the reply", "run", "was not asked for", MINUTES)
def stowaway_tensor(folder: Path) -> str:
    """More travels than is counted."""
    from harness.federation.wire.tensors import difference

    values = np.ones((2, 2), np.float32)
    return difference({"a": values, "more": values}, {"a": (2, 2)}) or ""


def plugin_in(folder: Path) -> Path:
    """Install a plugin of two modules in a site folder, and put it on the path."""
    site = folder / "site-packages"
    info = site / "two-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "two_front.py").write_text("import two_back\n")
    (site / "two_back.py").write_text("value = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\ntwo = two_front\n")
    (info / "RECORD").write_text("two_front.py,,\ntwo_back.py,,\ntwo_more.pyc,,\n")
    return site


def loaded(site: Path) -> str:
    """Load that plugin as a plan does."""
    from harness.plugins import loading

    loading.load.cache_clear()
    with patch.object(sys, "path", [str(site), *sys.path]):
        loading.load("two")
    return ""


@cheat(
    "other code in `__pycache__`, with the time and size of its source",
    "plan",
    "is not what its source compiles to",
    MINUTES,
)
def planted_byte_code(folder: Path) -> str:
    """Python runs it, the digest is of the source."""
    site = plugin_in(folder)
    source = site / "two_back.py"
    facts, true = source.stat(), source.read_text()
    for text in ("value = 9\n", true):
        source.write_text(text)
        os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        if text != true:
            py_compile.compile(str(source), doraise=True)
    return loaded(site)


@cheat("a module that is compiled only", "plan", "compiled code without its source", MINUTES)
def code_without_a_source(folder: Path) -> str:
    """Nobody can read it."""
    site = plugin_in(folder)
    py_compile.compile(str(site / "two_back.py"), str(site / "two_more.pyc"))
    return loaded(site)


@cheat("a model whose own code patches the evaluator", "plan", "only a plugin asks for that", HOURS)
def code_in_the_model_s_folder(folder: Path) -> str:
    """It runs only where whoever runs it typed so, and then the result may not rank."""
    from harness.planning.rules import own_code

    family = SimpleNamespace(own_code=False)
    model = SimpleNamespace(family=family, trust_remote_code=True, hub_id="org/coded")
    case = SimpleNamespace(spec=SimpleNamespace(model=model), code_asked_for=False)
    return "; ".join(f"{found}; expected {expected}" for found, expected in own_code(case))


@cheat("no list of the distribution's files", "plan", "has no RECORD of its files", MINUTES)
def hidden_modules(folder: Path) -> str:
    """What belongs to the plugin could not be told."""
    site = plugin_in(folder)
    (site / "two-1.0.dist-info" / "RECORD").unlink()
    return loaded(site)


@cheat(
    "other code in the plugin's second module than when the run was resolved",
    "run",
    "the run was resolved with",
    MINUTES,
)
def other_second_module(folder: Path) -> str:
    """Two codes under one version and, once, one digest."""
    from harness.plugins import discovery, lookup

    site = plugin_in(folder)
    with patch.object(sys, "path", [str(site), *sys.path]):
        ref = discovery.reference(discovery.discover()["two"])
        (site / "two_back.py").write_text("value = 2\n")
        from harness.plugins import loading

        loading.load.cache_clear()
        lookup.load_components(SimpleNamespace(needed_plugins=(ref,)))
    return ""
