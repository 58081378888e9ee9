"""A sweep: runs of one recipe over a grid or a list of settings and seeds, and their table.

A sweep is data in TOML. Each cell is a run directory of its own, so that a sweep that was stopped
goes on by the same command: cells with a result are left, begun ones are resumed.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from harness.document import Document, canonical_json, explain, parse_document, sha256_text
from harness.document.plain_values import why_not_plain
from harness.document.reading import OWN, decode, read_bytes, read_json
from harness.document.toml_text import parse_toml, toml_value
from harness.document.units import MIB
from harness.errors import HarnessError, RecordError, UsageError
from harness.record.file_names import RESULT, SPEC
from harness.record.result import ResultRecord, migrate

MAX_SWEEP_BYTES = MIB
MAX_CELLS = 1000
"""More runs than this are a mistake in the grid, not a sweep that anybody waits for."""
SEED = "seed"

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Sweep(Document):
    """What a sweep's file holds."""

    recipe: str
    """`plugin`, `plugin/recipe`, or the path of a recipe's file beside the sweep's."""
    challenge: str | None = None
    smoke: bool = False
    limit: int | None = Field(None, ge=1)
    """Rows of each evaluation set; None: all."""
    device: str = "auto"
    settings: dict[str, Any] = {}
    """Set in every cell, by the keys of `--set`."""
    grid: dict[str, Values] = {}
    """Key of `--set`, or `seed` -> its values; every combination is a cell."""
    runs: tuple[dict[str, Any], ...] = ()
    """Cells one by one, instead of a grid."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep."""

    name: str
    """Of its folder."""
    values: Mapping[str, Any]
    """What is set in it alone."""
    arguments: tuple[str, ...]
    """Of `harness run`, without `--out`."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell and what became of it."""

    cell: Cell
    record: ResultRecord | None
    problem: str = ""
    """Why there is no record, in the run's own last line."""


def read_sweep(path: Path) -> Sweep:
    """Return the sweep of a TOML file.

    Raises:
        UsageError: no such file, no TOML, or a value that no sweep has; the key is named.
    """
    try:
        table = parse_toml(decode(read_bytes(path, MAX_SWEEP_BYTES, OWN), str(path)), str(path))
    except RecordError as error:
        raise UsageError(str(error)) from None
    if problem := why_not_plain(table):
        raise UsageError(f"{path}: {problem}")
    try:
        return Sweep.model_validate_json(json.dumps(table), strict=True)  # in the file's order
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error)}") from None


def cells_of(sweep: Sweep, folder: Path) -> list[Cell]:
    """Return the cells of a sweep, in the order of the grid or the list.

    Args:
        sweep: as it was read.
        folder: of the sweep's file, which a recipe's file is named from.

    Raises:
        UsageError: a grid and a list, or neither; two equal cells; or more than 1,000.
    """
    if bool(sweep.grid) == bool(sweep.runs):
        raise UsageError("a sweep has a [grid] or [[runs]], one of the two")
    if sweep.grid:
        names = list(sweep.grid)
        rows = [
            dict(zip(names, row, strict=True)) for row in itertools.product(*sweep.grid.values())
        ]
    else:
        rows = [dict(row) for row in sweep.runs]
    if len(rows) > MAX_CELLS:
        raise UsageError(f"{len(rows)} cells; a sweep has {MAX_CELLS} at most")
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        first = seen.setdefault(canonical_json(row), number)
        if first != number:
            raise UsageError(
                f"cells {first + 1} and {number + 1} are equal ({_shown(row)}); keep one"
            )
    return [Cell(_name(row), row, tuple(_arguments(sweep, row, folder))) for row in rows]


def _arguments(sweep: Sweep, row: Mapping[str, Any], folder: Path) -> Iterator[str]:
    if sweep.recipe.endswith(".toml"):
        yield str(folder / sweep.recipe)
    else:
        yield from ("--plugin", sweep.recipe)
    if sweep.challenge is not None:
        yield from ("--challenge", sweep.challenge)
    if sweep.smoke:
        yield "--smoke"
    if sweep.limit is not None:
        yield from ("--limit", str(sweep.limit))
    yield from ("--device", sweep.device)
    for key, value in {**sweep.settings, **row}.items():
        if key == SEED:
            yield from ("--seed", str(value))
        else:
            yield from ("--set", f"{key}={toml_value(value)}")


def _name(row: Mapping[str, Any]) -> str:
    """Return a folder's name that says what is set, and stays unique where it is cut."""
    text = "_".join(f"{key.rsplit('.', 1)[-1]}-{value}" for key, value in row.items())
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    if plain == text and len(plain) <= 60:
        return plain
    return f"{plain[:50]}-{sha256_text(canonical_json(dict(row)))[:8]}"


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in row.items())


Start = Callable[[Sequence[str]], tuple[int, str]]
"""(arguments of the command `harness`) -> (exit code, the last line that it said)"""


def run_sweep(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 1,
    mirror: Path | None = None,
    start: Start,
    stop: Callable[[], None] = lambda: None,
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
        said: told each cell as it ends.
    """

    stopping = threading.Event()

    def one(cell: Cell) -> CellResult:
        if stopping.is_set():
            return CellResult(cell, None, "not begun")
        folder = out / cell.name
        code, line = 0, ""
        if not (folder / RESULT).is_file():
            more = [] if mirror is None else ["--mirror", str(mirror)]
            begun = (folder / SPEC).is_file()
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
        record = parse_document(ResultRecord, migrate(read_json(path), str(path)), str(path))
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
