"""Experiment trackers as observers of a run: TensorBoard, trackio and Weights & Biases.

None needs an account: TensorBoard's files and W&B's offline ones lie in the run directory, and
trackio's database in its own cache folder. Each is fed by a process of its own
(`tracker_process.py`), which is given up when the tracker fails or does not answer: it is told
nothing more, and the run goes on.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import MissingExtraError, how_to_install
from harness.pipeline.events import Event, Observer
from harness.pipeline.tracker_process import Values
from harness.progress import say
from harness.record.federation import RoundRecord
from harness.record.result import ResultRecord

OPEN_S = 60.0
"""A tracker that is not open by then is down. Its libraries take 20 s on a busy machine."""

ANSWER_S = 30.0
"""So long a round, or the end, may take. Until it answers nobody else is told anything."""

SINKS = "harness.pipeline.tracker_process"

TRACKERS = {
    "tensorboard": ("tensorboard", f"{SINKS}:TensorBoard"),
    "trackio": ("trackio", f"{SINKS}:Trackio"),
    "wandb": ("wandb", f"{SINKS}:Wandb"),
}
"""Name on the command line -> (package that it needs, what opens it in a run directory)."""


def tracker(name: str) -> Observer:
    """Return the observer that feeds a tracker; it opens its files with the first round.

    Args:
        name: one of `TRACKERS`.

    Raises:
        MissingExtraError: its package is not installed.
    """
    package, opened = TRACKERS[name]
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"--track {name} needs the package {package}; {how_to_install(name)}"
        )
    return Tracker(name, opened)


class Tracker:
    """One tracker in one session of a run."""

    def __init__(self, name: str, opened: str) -> None:
        """Remember how it is opened: `module:class`."""
        self._name = name
        self._opened = opened
        self._process: subprocess.Popen[bytes] | None = None
        self._down = False

    def __call__(self, event: Event) -> None:
        """Pass on what has numbers."""
        if event.kind == "step" or event.run_dir is None or self._down:
            return
        try:
            self._pass_on(event, event.run_dir)
        except _DownError as error:
            self._end(within_s=0.0)
            say(f"tracker {self._name}: {error}; it is told nothing more, the run goes on")

    def _pass_on(self, event: Event, run_dir: Path) -> None:
        if self._process is None:
            self._start(run_dir)
        if event.round is not None:
            self._log(round_values(event.round, event.bytes_total or 0), event.round.round)
        if event.record is not None:
            self._log(result_values(event.record), len(event.record.federation.rounds))
            self._ask(None, ANSWER_S)
            self._end(within_s=1.0)

    def _start(self, run_dir: Path) -> None:
        """Start the process; a session of its own, so that Ctrl-C lets it write what it has."""
        # Unbuffered: the process ends without a last look at what a tracker has printed.
        command = [sys.executable, "-u", "-P", "-m", SINKS, self._opened, str(run_dir.absolute()),
                   self._name]  # fmt: skip
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise _DownError(f"{type(error).__name__}: {error}") from error
        self._answered(OPEN_S)

    def _log(self, values: Values, step: int) -> None:
        self._ask({"values": dict(values), "step": step}, ANSWER_S)

    def _ask(self, what: dict[str, Any] | None, limit_s: float) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # One that has ended is found by its answer, which may say why.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        self._answered(limit_s)

    def _answered(self, limit_s: float) -> None:
        """Wait for a line.

        Raises:
            _DownError: it says what went wrong, or none came in time.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        end = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[
                0
            ]:
                raise _DownError(f"no answer for {limit_s:.0f} s")
            found = os.read(self._process.stdout.fileno(), 4096)
            if not found:
                raise _DownError(f"its process ended with exit code {self._process.wait(5)}")
            line += found
        if said := line.decode(errors="replace").strip():
            raise _DownError(said)

    def _end(self, within_s: float) -> None:
        """Let the process end by itself within some seconds, then kill it."""
        self._down = True
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with what a tracker has started itself
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()


class _DownError(Exception):
    """A tracker that is told nothing more."""


def round_values(item: RoundRecord, bytes_total: int) -> Values:
    """Return the numbers of a round: losses, rate, MiB so far, seconds, aggregation error."""
    values = {
        "train/loss": item.train_loss,
        "train/learning_rate": item.learning_rate,
        "communication/mib": bytes_total / 2**20,
        "time/round_s": item.duration_s,
    }
    if item.aggregation_error is not None:
        values["aggregation/error"] = item.aggregation_error
    return values


def result_values(record: ResultRecord) -> Values:
    """Return the numbers of a result: every accuracy, a fraction, and their mean."""
    scores = {f"eval/{s.task}": s.value for s in record.scores if s.metric == "accuracy"}
    return scores | {"eval/mean": record.average}
