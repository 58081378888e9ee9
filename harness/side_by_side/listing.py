"""The runs in a folder, with how far each has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.document import read_document
from harness.errors import HarnessError
from harness.record.file_names import RESULT, ROUNDS, SPEC
from harness.record.result import read_result
from harness.spec import RunSpec


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run directory."""

    path: str
    recipe: str
    challenge: str
    seed: int
    smoke: bool
    rounds: int
    """Rounds that are on its ledger."""
    of_rounds: int
    state: str
    """`finished`, `to be evaluated`, `round 3 of 12`, or why it cannot be read."""
    average: float | None = None
    """Plain mean of the sets' accuracies, a fraction."""
    bytes_total: int | None = None
    seconds: float | None = None
    """Of all stages and sessions."""
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return asdict(self)


def list_runs(folder: Path) -> list[ListedRun]:
    """Return the run directories in a folder, newest first; those without a date come first.

    Args:
        folder: `runs/`, or one run directory.
    """
    found = [_listed(path) for path in _run_directories(folder)]
    return sorted(found, key=lambda run: (run.created or "~", run.path), reverse=True)


def _run_directories(folder: Path) -> Iterator[Path]:
    if (folder / SPEC).is_file():
        yield folder
        return
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path / SPEC).is_file():
            yield path


def _listed(path: Path) -> ListedRun:
    try:
        spec = read_document(RunSpec, path / SPEC)
    except HarnessError as error:
        return ListedRun(str(path), "?", "?", 0, False, 0, 0, f"cannot be read: {error}"[:200])
    rounds = _ledger_lines(path / ROUNDS)
    of_rounds = spec.train.rounds
    record = None
    if (path / RESULT).is_file():
        try:
            record = read_result(path / RESULT)
        except HarnessError as error:
            state = f"its {RESULT} cannot be read: {error}"[:200]
        else:
            state = "finished"
    else:
        state = "to be evaluated" if rounds >= of_rounds else f"round {rounds} of {of_rounds}"
    return ListedRun(
        path=str(path),
        recipe=spec.label,
        challenge=spec.challenge.id,
        seed=spec.seed,
        smoke=spec.smoke,
        rounds=rounds,
        of_rounds=of_rounds,
        state=state,
        average=None if record is None else record.average,
        bytes_total=None if record is None else record.communication.bytes_total,
        seconds=None if record is None else sum(record.timing.values()),
        created="" if record is None else record.created,
    )


def _ledger_lines(path: Path) -> int:
    """Return how many whole rounds a ledger holds; a line cut off in the middle is none."""
    if not path.is_file():
        return 0
    count = 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                json.loads(line)
            except ValueError:
                break
            count += 1
    return count
