"""Flower's simulation with Ray: the same digests as without it, and nothing left behind."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from environment import environment_with
from harness_tiny.faults import order
from served import Served, serve
from tiny_run import tiny_run

from harness.document import read_document
from harness.kernel import landlock
from harness.library_internals.ray import RAYLET_PROGRAM
from harness.record.isolation import Isolation

TINY = Path(__file__).parents[2] / "tiny"
LOADING = "momentum"
"""A recipe whose strategy is the tiny plugin's own: of others, clients load no line of it."""

pytestmark = pytest.mark.slow


PLACE = tempfile.TemporaryDirectory(prefix="harness-tests-")
"""Deleted when the tests' process ends."""


@functools.cache
def tiny_python() -> Path:
    """Return a Python in whose environment the tiny plugin is installed: clients need it there."""
    return environment_with(Path(PLACE.name), TINY)


class Child:
    """A federation in a process of its own, as `harness run` would start it."""

    def __init__(
        self, model: Path, out: Path, faults: Path | None = None, **options: object
    ) -> None:
        """Start `tests/tiny/federate.py`."""
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        if faults is not None:
            environment["HARNESS_TINY_FAULTS"] = str(faults)
            # The clients load the plugin, and write there what they have done.
            options |= {"recipe": LOADING, "isolation": "off"}
        self.out = out
        self.process = subprocess.Popen(
            [tiny_python(), str(TINY / "federate.py"), str(model), str(out), json.dumps(options)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.family: dict[int, psutil.Process] = {}

    def meet(self) -> None:
        """Remember the processes that descend from it now."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            self.family.setdefault(process.pid, process)

    def await_rounds(self, count: int) -> None:
        """Wait until `count` rounds are in the ledger and a checkpoint is there."""
        end = time.monotonic() + 240
        while time.monotonic() < end and self.process.poll() is None:
            ledger = self.out / "rounds.jsonl"
            started = list((self.out / "checkpoints").glob("round-*"))
            if started and ledger.is_file() and ledger.read_text().count("\n") >= count:
                self.meet()
                return
            time.sleep(0.05)
        raise AssertionError(self.process.communicate())

    def end(self) -> dict[str, object]:
        """Wait for its end and return what it printed."""
        while self.process.poll() is None:
            try:
                self.process.wait(0.5)
            except subprocess.TimeoutExpired:
                self.meet()
        stdout, stderr = self.process.communicate()
        assert stdout.count("\n") <= 1, f"stdout belongs to --json: {stdout}"
        return json.loads(stdout) if stdout else {"stderr": stderr}

    def left(self, patience_s: float = 0.0) -> list[str]:
        """Return the descendants that still live after at most `patience_s` seconds."""
        end = time.monotonic() + patience_s
        while True:
            alive = [p for p in self.family.values() if p.is_running() and p.status() != "zombie"]
            if not alive or time.monotonic() > end:
                return [" ".join(process.cmdline()[:2]) for process in alive]
            time.sleep(0.2)


@pytest.fixture(scope="module")
def expected(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Digests of the run without any engine."""
    return serve(tiny_run(tiny_model, supernodes=4), tmp_path_factory.mktemp("plain")).digests


def test_one_process_gives_the_same_digests_as_none(
    tiny_model: Path, expected: list[str], tmp_path: Path
) -> None:
    child = Child(tiny_model, tmp_path / "run", actors=1)
    assert child.end()["digests"] == expected
    assert child.left() == []
    assert not list((tmp_path / "run" / "logs").glob("hang-*"))
    held = read_document(Isolation, tmp_path / "run" / "isolation.json")
    assert held.policy == "auto"
    assert held.federation.files == ("Landlock" if landlock.version() else "open")


@pytest.fixture(scope="module")
def loading(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """What a run gives whose clients load the tiny plugin, and so fail where that is ordered."""
    run = tiny_run(tiny_model, LOADING, supernodes=4)
    return serve(run, tmp_path_factory.mktemp("loading"))


def test_dead_and_hanging_clients_are_replaced(
    tiny_model: Path, loading: Served, tmp_path: Path
) -> None:
    faults = tmp_path / "faults"
    faults.mkdir()
    first = loading.outcome.rounds
    order(faults, "die", first[0].partitions[0])
    order(faults, "hang-in-c", first[0].partitions[1])
    child = Child(tiny_model, tmp_path / "run", faults, actors=2, retries=5, client_timeout_s=20)
    done = child.end()
    assert done.get("digests") == loading.digests, done
    assert max(done["attempts"][0]) > 1
    assert child.left() == []


def test_a_client_that_always_hangs_ends_the_run_with_its_stack(
    tiny_model: Path, loading: Served, tmp_path: Path
) -> None:
    faults = tmp_path / "faults"
    faults.mkdir()
    partition = loading.outcome.rounds[0].partitions[0]
    order(faults, "hang", partition, times=99)
    child = Child(tiny_model, tmp_path / "run", faults, actors=1, retries=0, client_timeout_s=10)
    done = child.end()
    assert done["error"] == "ClientFailedError"
    assert f"partition {partition} failed in round 1" in done["message"]
    assert "it hung past its limit of 10 s" in done["message"]
    assert "in _before" in done["message"]
    assert child.left() == []


@pytest.mark.parametrize("engine", [None, "local"])
def test_a_signal_ends_everything_and_the_run_can_be_resumed(
    engine: str | None, tiny_model: Path, expected: list[str], tmp_path: Path
) -> None:
    child = Child(tiny_model, tmp_path / "run", actors=2, superlink=engine)
    child.await_rounds(1)
    assert len(child.family) > 4
    child.process.send_signal(signal.SIGTERM)
    assert child.end()["error"] == "KeyboardInterrupt"
    assert child.left() == []
    resumed = Child(tiny_model, tmp_path / "run", actors=1)
    assert resumed.end()["digests"] == expected


def test_after_sigkill_nothing_is_left_and_the_run_can_be_resumed(
    tiny_model: Path, expected: list[str], tmp_path: Path
) -> None:
    child = Child(tiny_model, tmp_path / "run", actors=2)
    child.await_rounds(1)
    child.process.kill()
    child.process.communicate()
    assert child.left(patience_s=20) == []
    resumed = Child(tiny_model, tmp_path / "run", actors=1)
    assert resumed.end()["digests"] == expected


def test_ray_s_node_is_named_where_it_ended_and_the_run_can_be_resumed(
    tiny_model: Path, expected: list[str], tmp_path: Path
) -> None:
    child = Child(tiny_model, tmp_path / "run", actors=2)
    child.await_rounds(1)
    [node] = [one for one in child.family.values() if RAYLET_PROGRAM in " ".join(one.cmdline())]
    node.kill()
    done = child.end()
    assert done["error"] == "FederationError", done
    assert "raylet" in str(done["message"])
    assert child.left() == []
    resumed = Child(tiny_model, tmp_path / "run", actors=1)
    assert resumed.end()["digests"] == expected


def test_a_local_superlink_gives_the_same_digests_though_a_client_dies(
    tiny_model: Path, loading: Served, tmp_path: Path
) -> None:
    faults = tmp_path / "faults"
    faults.mkdir()
    partition = loading.outcome.rounds[0].partitions[0]
    order(faults, "die", partition)
    child = Child(tiny_model, tmp_path / "run", faults, superlink="local", actors=1)
    done = child.end()
    assert done.get("digests") == loading.digests, done
    assert max(done["attempts"][0]) == 2
    assert child.left() == []
