"""Experiment trackers as observers of a run: TensorBoard, trackio and Weights & Biases.

None needs an account: TensorBoard's files and W&B's offline ones lie in the run directory, and
trackio's database in its own cache folder. A tracker that fails in the middle is told nothing more,
and the run goes on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.errors import MissingExtraError
from harness.pipeline.events import Event, Observer
from harness.record.federation import RoundRecord
from harness.record.result import ResultRecord

PROJECT = "flowertune-harness"
"""Name of the project that runs are filed under, where a tracker has projects."""

INIT_TIMEOUT_S = 10.0
"""A server of W&B that does not answer is given up after this, not after its own 90 s: until then
nobody else is told anything."""

Values = Mapping[str, float]


class Sink(Protocol):
    """A place where a tracker puts numbers."""

    def log(self, values: Values, step: int) -> None:
        """Keep values of a round."""

    def close(self) -> None:
        """Write what is left."""


def tracker(name: str) -> Observer:
    """Return the observer that feeds a tracker; it opens its files with the first event.

    Args:
        name: one of `TRACKERS`.

    Raises:
        MissingExtraError: its package is not installed.
    """
    package, opened = TRACKERS[name]
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"--track {name} needs the package {package}; install it:"
            f" pip install 'flowertune-harness[{name}]'"
        )
    return Tracker(name, opened)


class Tracker:
    """One tracker in one session of a run."""

    def __init__(self, name: str, opened: Callable[[Path], Sink]) -> None:
        """Remember how it is opened."""
        self.__qualname__ = name
        self._open = opened
        self._sink: Sink | None = None

    def __call__(self, event: Event) -> None:
        """Pass on what has numbers."""
        if event.kind == "step" or event.run_dir is None:
            return
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            self._pass_on(event, event.run_dir)

    def _pass_on(self, event: Event, run_dir: Path) -> None:
        if self._sink is None:
            self._sink = self._open(run_dir)
        if event.round is not None:
            self._sink.log(round_values(event.round, event.bytes_total or 0), event.round.round)
        if event.record is not None:
            self._sink.log(result_values(event.record), len(event.record.federation.rounds))
            self._sink.close()


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


class _TensorBoard:
    def __init__(self, run_dir: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, values: Values, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, run_dir: Path) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=PROJECT,
            name=run_dir.name,
            dir=str(run_dir),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(init_timeout=INIT_TIMEOUT_S),
        )

    def log(self, values: Values, step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _Trackio:
    def __init__(self, run_dir: Path) -> None:
        import trackio

        self._trackio: Any = trackio
        trackio.init(project=PROJECT, name=run_dir.name)

    def log(self, values: Values, step: int) -> None:
        self._trackio.log(dict(values), step=step)

    def close(self) -> None:
        self._trackio.finish()


TRACKERS: dict[str, tuple[str, Callable[[Path], Sink]]] = {
    "tensorboard": ("tensorboard", _TensorBoard),
    "trackio": ("trackio", _Trackio),
    "wandb": ("wandb", _Wandb),
}
"""Name on the command line -> (package that it needs, what opens it in a run directory)."""
