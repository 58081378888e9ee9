"""A sweep: runs of one recipe over a grid or a list of settings and seeds, and their table.

Each cell is a run directory of its own, so that a sweep that was stopped goes on by the same
command: cells with a result are left, begun ones are resumed, and a folder that holds a run of
other settings is neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from harness.document import canonical_json
from harness.errors import HarnessError
from harness.record.file_names import RESULT, SPEC
from harness.record.result import ResultRecord, read_result
from harness.side_by_side.sweep_file import SEED, Cell


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell and what became of it."""

    cell: Cell
    record: ResultRecord | None
    problem: str = ""
    """Why there is no record, in the run's own last line."""


Start = Callable[[Sequence[str]], tuple[int, str]]
"""(arguments of the command `harness`) -> (exit code, the last line that it said)"""

Differs = Callable[[Cell, Path], str | None]
"""(cell, its folder) -> why the run that lies there is not the cell's, or None"""


def run_sweep(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 1,
    mirror: Path | None = None,
    start: Start,
    stop: Callable[[], None] = lambda: None,
    differs: Differs = lambda cell, folder: None,
    said: Callable[[str], None] = lambda text: None,
) -> list[CellResult]:
    """Run every cell that has no result yet; a cell that fails leaves the others to run.

    Interrupted, it begins no cell more, has those that run stop where they can go on, and waits
    for them.

    Args:
        cells: of the sweep.
        out: folder of the sweep; each cell has a folder in it.
        jobs: cells at once; each takes the memory of a whole run.
        mirror: local copy of hub files.
        start: runs the command `harness`.
        stop: has what `start` runs stop.
        differs: asked of a cell whose folder holds a run already.
        said: told each cell as it ends.
    """

    stopping = threading.Event()

    def one(cell: Cell) -> CellResult:
        if stopping.is_set():
            return CellResult(cell, None, "not begun")
        folder = out / cell.name
        code, line = 0, ""
        begun = (folder / SPEC).is_file()
        if begun and (other := differs(cell, folder)) is not None:
            said(f"{cell.name}: failed: {other}")
            return CellResult(cell, None, other)
        if not (folder / RESULT).is_file():
            more = [] if mirror is None else ["--mirror", str(mirror)]
            named = ["--resume", str(folder)] if begun else [*cell.arguments, "--out", str(folder)]
            try:
                code, line = start(["run", *named, *more])
            except BaseException:
                stopping.set()
                raise
        result = _result(cell, folder, code, line)
        state = "done" if result.record is not None else f"failed: {result.problem}"
        said(f"{cell.name}: {state}")
        return result

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(one, cells))
        except BaseException:  # the pool still waits for the cells that have begun
            stopping.set()
            stop()
            raise


def _result(cell: Cell, folder: Path, code: int, line: str) -> CellResult:
    path = folder / RESULT
    if not path.is_file():
        return CellResult(cell, None, f"exit {code}: {line}"[:200])
    try:
        record = read_result(path)
    except HarnessError as error:
        return CellResult(cell, None, str(error)[:200])
    return CellResult(cell, record)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that differ in their seed alone."""

    values: Mapping[str, Any]
    """What is set, the seed left out."""
    averages: tuple[float, ...]
    """Mean accuracy of each finished cell, a fraction."""
    missing: int
    """Cells without a result."""
    bytes_total: float | None
    """Mean over the cells."""
    seconds: float | None

    @property
    def mean(self) -> float | None:
        """Mean of the averages."""
        return sum(self.averages) / len(self.averages) if self.averages else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the averages, with n - 1; None for fewer than two."""
        if len(self.averages) < 2 or self.mean is None:
            return None
        mean = self.mean
        return sqrt(sum((v - mean) ** 2 for v in self.averages) / (len(self.averages) - 1))


def groups_of(results: Sequence[CellResult]) -> list[Group]:
    """Return the cells gathered over their seeds, best mean first, those without a result last."""
    gathered: dict[str, list[CellResult]] = {}
    for item in results:
        key = canonical_json({k: v for k, v in item.cell.values.items() if k != SEED})
        gathered.setdefault(key, []).append(item)
    groups = []
    for items in gathered.values():
        records = [item.record for item in items if item.record is not None]
        count = len(records)
        groups.append(
            Group(
                values={k: v for k, v in items[0].cell.values.items() if k != SEED},
                averages=tuple(record.average for record in records),
                missing=len(items) - count,
                bytes_total=sum(r.communication.bytes_total for r in records) / count
                if count
                else None,
                seconds=sum(sum(r.timing.values()) for r in records) / count if count else None,
            )
        )
    return sorted(
        groups, key=lambda group: -1.0 if group.mean is None else group.mean, reverse=True
    )
