"""The processes of a sweep: one `harness run` each, as many at once as memory allows."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import UsageError
from harness.machine.machine import Machine
from harness.planning.client_processes import MEMORY_SHARE
from harness.processes.lifetime import Guardian
from harness.progress import Meter
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
        return process.returncode, _last_line(said)

    def stop(self) -> None:
        """Have every run stop as Ctrl-C would; each can be resumed."""
        for process in list(self._running):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


def harness_run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command `harness` once; return its exit code and the last line that it said."""
    with CellProcesses() as runs:
        return runs(arguments)


def planned(cells: Sequence[Cell], mirror: Path | None) -> list[Mapping[str, Any]]:
    """Return what `harness plan --json` says of each cell, of those that differ in their seed once.

    Args:
        cells: that are to begin.
        mirror: local copy of hub files.

    Raises:
        UsageError: a run of one would be refused; the first such is named, with the reason.
    """
    distinct = {
        tuple(f"{name}={value}" for name, value in cell.values.items() if name != SEED): cell
        for cell in reversed(cells)
    }
    meter = Meter("settings", len(distinct), "checked")
    found = []
    for cell in reversed(distinct.values()):
        plan, said = _planned(cell, mirror)
        refused = [*_refusals(plan)] if plan else [said]
        if refused:
            raise UsageError(f"no cell was started: {cell.name} cannot run: {refused[0]}")
        found.append(plan)
        meter.advance()
    return found


def _refusals(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield why `harness run` would refuse what was planned."""
    for item in plan["violations"]:
        yield f"{item['rule']}: {item['found']}; expected: {item['expected']}"
    yield from plan["refused_here"]


def _planned(cell: Cell, mirror: Path | None) -> tuple[Mapping[str, Any], str]:
    """Return what `harness plan` says of a cell; nothing and its last line if it cannot be."""
    more = [] if mirror is None else ["--mirror", str(mirror)]
    command = [*COMMAND, "plan", *cell.arguments, *more, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return {}, _last_line(done.stderr).removeprefix("error: ")


def _last_line(said: str) -> str:
    """Return the error of a command, or the last line that it said."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def other_run(cell: Cell, folder: Path, mirror: Path | None) -> str | None:
    """Return why the run in a folder is not a cell's: a file that was edited names other settings.

    Args:
        cell: as the sweep's file has it now.
        folder: with the spec of the run that was begun or ended there.
        mirror: local copy of hub files.
    """
    try:
        wanted = _planned(cell, mirror)[0]["spec"]
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
        estimates: of `planned`; the largest counts.
        machine: with its memory, and what of a GPU's is free.
    """
    fitting = wanted
    for item in estimates:
        cuda = item["device"] == "cuda"
        room = MEMORY_SHARE * (machine.gpu_free_bytes if cuda else machine.memory_bytes)
        fitting = min(fitting, int(room // item["memory_bytes"]))
    return max(1, fitting)
