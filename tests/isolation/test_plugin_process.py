"""What only plugin code can say is asked of a child: this process learns it by value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import PluginError, UsageError
from harness.isolation import plugin_process
from harness.isolation.plugin_process import Enclosure, ask
from harness.library_internals.ray import ray_folder
from harness.record.isolation import Held, Isolation

HELD = Held(
    files="Landlock",
    network="own network namespace",
    processes="own process namespace",
    signals="own process namespace",
    landlock=7,
)
OPEN = Held(files="open", network="open", processes="watched", signals="open", landlock=0)

PLANS = """
import sys
from harness.planning.apart.asking import plan_apart
from harness.planning.resolve import Request

plan = plan_apart(Request("smollm2-dora", smoke=True, seed=7), "auto", None)
print(plan.spec.label, [name for name in sys.modules if name.startswith("harness_")])
"""


def test_a_run_is_planned_and_no_plugin_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PLANS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "smollm2-dora/1.7b []\n", done.stderr


@pytest.mark.parametrize(("policy", "held"), [("auto", True), ("off", False)])
def test_keys_of_who_runs_it_are_not_handed_to_what_is_held_back(
    policy: plugin_process.Policy, held: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plugin code could write them into the adapter that is published."""
    keys = {"HF_TOKEN": "hf_1", "https_proxy": "http://me:secret@proxy", "PIP_INDEX_URL": "secret"}
    for name, value in (keys | {"OMP_NUM_THREADS": "2"}).items():
        monkeypatch.setenv(name, value)
    plan = plugin_process._written_plan("this", "", Enclosure(str(tmp_path), policy), 9)
    variables = json.loads(plan.read_text())["environment"]
    assert variables["OMP_NUM_THREADS"] == "2"
    assert (not keys.keys() & variables.keys()) is held


def test_an_error_of_the_child_is_raised_here() -> None:
    from harness.planning.apart.asking import plan_apart
    from harness.planning.resolve import Request

    with pytest.raises(PluginError, match="unknown plugin 'smolm2-dora'; did you mean"):
        plan_apart(Request("smolm2-dora"), "auto", lambda *_: pytest.fail("asked"))


def test_a_child_that_says_nothing_is_an_error_in_one_line() -> None:
    folder = ray_folder("harness-test-")
    with pytest.raises(PluginError, match="ended without an answer"):
        ask("this", "", Enclosure(folder))
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        ("os._exit(3)", "it ended itself with code 3"),
        ("os._exit(139)", "SIGSEGV ended it"),
        ("os._exit(137)", "it was killed"),
        ("os.kill(os.getpid(), 9)", "it was killed"),
    ],
)
def test_a_process_that_ends_is_told_with_its_plugin_and_how_it_ended(
    ends: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"import os; print({HELD.canonical_json()!r}, flush=True); {ends}"
    monkeypatch.setattr(plugin_process, "bare_python", lambda _: [sys.executable, "-c", said])
    with pytest.raises(
        PluginError, match=rf"loads plugin x \(this\) ended without an answer: {how}"
    ):
        ask("this", "", Enclosure(ray_folder("harness-test-")), plugins="plugin x")


@pytest.mark.parametrize("policy", ["auto", "off"])
def test_a_process_that_ends_itself_was_not_killed(
    policy: plugin_process.Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its launcher, and what watches it inside, end a little later than its answer does."""
    written = plugin_process._written_plan

    def ending(*given: Any) -> Path:
        path = written(*given)
        plan = json.loads(path.read_text())
        plan["command"] = [sys.executable, "-I", "-c", "import os; os._exit(3)"]
        path.write_text(json.dumps(plan))
        return path

    monkeypatch.setattr(plugin_process, "_written_plan", ending)
    for _ in range(5):
        with pytest.raises(PluginError, match="it ended itself with code 3"):
            ask("this", "", Enclosure(ray_folder("harness-test-"), policy))


@pytest.mark.parametrize("policy", ["auto", "required"])
def test_what_holds_is_told_before_the_child_works_and_required_is_required(
    policy: plugin_process.Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = OPEN.with_values(missing=("no Landlock",))
    said = f"print({missing.canonical_json()!r})"
    monkeypatch.setattr(plugin_process, "bare_python", lambda _: [sys.executable, "-c", said])
    told: list[Held] = []
    around = Enclosure(ray_folder("harness-test-"), policy, on_start=told.append)
    kind = {"auto": PluginError, "required": UsageError}[policy]
    with pytest.raises(kind, match=r"answer|--isolation required: .* \(no Landlock\)"):
        ask("this", "", around)
    assert told == [missing]


def test_a_record_says_what_held_in_all_sessions() -> None:
    first = Isolation(policy="required", federation=HELD)
    assert first.summary == "isolated: files, network, signals"
    assert first.with_session(first) == first
    other = Isolation(policy="auto", federation=HELD.with_values(network="open", missing=("a",)))
    both = first.with_session(other)
    assert both == other.with_session(first)
    assert both == other
    assert both.summary == "isolated: files, signals"
    assert first.with_session(Isolation(policy="off", federation=OPEN)).summary == "not isolated"
    assert json.loads(both.canonical_json())["federation"]["missing"] == ["a"]


@pytest.mark.parametrize(
    ("change", "complete"),
    [
        ({}, True),
        ({"processes": "subreaper", "signals": "Landlock scope"}, True),
        ({"files": "open"}, False),
        ({"network": "open"}, False),
        ({"signals": "open"}, False),
        ({"processes": "watched"}, False),
    ],
)
def test_what_is_required(change: dict[str, str], complete: bool) -> None:
    assert HELD.with_values(**change).complete is complete
