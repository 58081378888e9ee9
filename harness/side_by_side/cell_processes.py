"""The processes of a sweep: one `harness run` each, as many at once as memory allows."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.machine.machine import Machine
from harness.planning.client_processes import MEMORY_SHARE
from harness.processes.lifetime import Guardian
from harness.record.file_names import SPEC
from harness.side_by_side.sweep_file import SEED, Cell

COMMAND = (sys.executable, "-I", "-m", "harness")


class CellProcesses:
    """A context in which `harness` runs in processes that end with this one, however it ends."""

    def __init__(self) -> None:
        """Prepare; nothing runs yet."""
        self._running: set[subprocess.Popen[str]] = set()
        self._guardian: Guardian | None = None
        self._stack = ExitStack()

    def __enter__(self) -> CellProcesses:
        """Start what ends the runs when this process is killed, where runs are possible at all."""
        if importlib.util.find_spec("psutil") is not None:
            self._guardian = self._stack.enter_context(Guardian(all_children=False))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs."""
        self._stack.__exit__(kind, error, trace)

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run the command `harness`; return its exit code and the last line that it said."""
        with subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches the sweep, which tells its runs once
        ) as process:
            self._running.add(process)
            if self._guardian is not None:
                self._guardian.guard(process.pid)
            try:
                _, said = process.communicate()
            finally:
                self._running.discard(process)
        lines = [line for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")]
        return process.returncode, (errors or lines or [""])[-1]

    def stop(self) -> None:
        """Have every run stop as Ctrl-C would; each can be resumed."""
        for process in list(self._running):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


def harness_run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command `harness` once; return its exit code and the last line that it said."""
    with CellProcesses() as runs:
        return runs(arguments)


def forecasts(cells: Iterable[Cell]) -> list[Mapping[str, Any]]:
    """Return what `harness plan` forecasts of each cell, those that differ in their seed once.

    A cell that cannot be planned is left out: its run says why.
    """
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for cell in cells:
        key = tuple(f"{name}={value}" for name, value in cell.values.items() if name != SEED)
        if key in found:
            continue
        with suppress(ValueError, KeyError, TypeError):
            found[key] = _planned(cell)["estimate"]
    return list(found.values())


def _planned(cell: Cell, *more: str) -> Any:
    """Return what `harness plan` says of a cell.

    Raises:
        ValueError: it cannot be planned.
    """
    command = [*COMMAND, "plan", *cell.arguments, *more, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def other_run(cell: Cell, folder: Path, mirror: Path | None) -> str | None:
    """Return why the run in a folder is not a cell's: a file that was edited names other settings.

    Args:
        cell: as the sweep's file has it now.
        folder: with the spec of the run that was begun or ended there.
        mirror: local copy of hub files.
    """
    try:
        wanted = _planned(cell, *([] if mirror is None else ["--mirror", str(mirror)]))["spec"]
        found = json.loads((folder / SPEC).read_text("utf-8"))
        names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None  # its run, or its result, says why
    # A harness or a plugin of another version goes on with what was begun, or refuses that itself.
    changed = [name for name in names if name not in ("plugins", "schema_version")]
    if not changed:
        return None
    return (
        f"{folder} holds a run of other settings than the sweep's file has now"
        f" ({', '.join(changed)}); name another folder with --out, or remove that one"
    )


def at_once(wanted: int, estimates: Sequence[Mapping[str, Any]], machine: Machine) -> int:
    """Return how many runs fit into memory beside each other, at least one.

    Args:
        wanted: as many as are asked for.
        estimates: of `forecasts`; the largest counts.
        machine: with its memory, and what of a GPU's is free.
    """
    fitting = wanted
    for item in estimates:
        cuda = item["device"] == "cuda"
        room = MEMORY_SHARE * (machine.gpu_free_bytes if cuda else machine.memory_bytes)
        fitting = min(fitting, int(room // item["memory_bytes"]))
    return max(1, fitting)
