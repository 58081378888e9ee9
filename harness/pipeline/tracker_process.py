"""The process that feeds one experiment tracker: TensorBoard, trackio or Weights & Biases.

It reads a line of JSON for each thing to do and answers with a line, empty or what went wrong. It
is expendable: whatever a tracker's package does, block, print, end a thread of its own or the whole
process, the run that it watches loses nothing but this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Protocol

PROJECT = "flowertune-harness"
"""Name of the project that runs are filed under, where a tracker has projects."""

INIT_TIMEOUT_S = 10.0
"""A server of W&B that does not answer is given up after this, not after its own 90 s: until then
nobody else is told anything."""

LONGEST_S = 120
"""Nothing that a tracker does takes longer: SIGALRM ends a process that its run no longer waits
for, whatever it is blocked in."""

Values = Mapping[str, float]


class Sink(Protocol):
    """A place where a tracker puts numbers."""

    def log(self, values: Values, step: int) -> None:
        """Keep values of a round."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files in the run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Open the files."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run_dir / "tensorboard"))

    def log(self, values: Values, step: int) -> None:
        """Keep values of a round."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class Wandb:
    """An offline run in the run directory, or what `WANDB_MODE` says."""

    def __init__(self, run_dir: Path) -> None:
        """Begin the run."""
        import wandb

        self._run: Any = wandb.init(
            project=PROJECT,
            name=run_dir.name,
            dir=str(run_dir),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(init_timeout=INIT_TIMEOUT_S),
        )

    def log(self, values: Values, step: int) -> None:
        """Keep values of a round."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class Trackio:
    """A run in trackio's database, or where its variables say."""

    def __init__(self, run_dir: Path) -> None:
        """Begin the run."""
        import trackio

        self._trackio: Any = trackio
        trackio.init(project=PROJECT, name=run_dir.name)

    def log(self, values: Values, step: int) -> None:
        """Keep values of a round."""
        self._trackio.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._trackio.finish()


def main() -> NoReturn:
    """Open `module:class` for a run directory, the first two arguments, and serve stdin."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # stdout is for results, whatever a tracker prints

    def end(said: str, code: int) -> NoReturn:
        with suppress(OSError):  # the run is over, and nobody listens
            answers.write(f"{said}\n")
        os._exit(code)  # not through hooks and threads that would wait for a server

    def fail(error: BaseException) -> NoReturn:
        end(" ".join(f"{type(error).__name__}: {error}".split()), 1)

    def thread_failed(given: threading.ExceptHookArgs) -> None:
        # A writing thread that has ended leaves whoever waits for it to wait for ever.
        fail(given.exc_value or RuntimeError("a thread of the tracker ended"))

    threading.excepthook = thread_failed
    warnings.showwarning = _one_line
    module, _, name = sys.argv[1].partition(":")
    try:
        signal.alarm(LONGEST_S)
        sink: Sink = getattr(import_module(module), name)(Path(sys.argv[2]))
        while True:
            answers.write("\n")
            signal.alarm(0)
            line = sys.stdin.readline()
            signal.alarm(LONGEST_S)
            # Of a run that stops before its end comes no more, not even `null`.
            given = json.loads(line or "null")
            if given is None:
                break
            sink.log(given["values"], given["step"])
        sink.close()
    except BaseException as error:
        fail(error)
    end("", 0)


def _one_line(message: Warning | str, *where: Any, **more: Any) -> None:
    """Print what a package warns of as its user would be told anything of a tracker."""
    print(f"tracker {sys.argv[3]}: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
