"""Programs of published code runs, with the tests that the scorer appends to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.boards.board import load_board
from harness.boards.protocols.programs import ProgramReader

READER = ProgramReader(load_board("code"))


@dataclass(frozen=True)
class Task:
    """One task of the code board: its language and the file that holds its tests."""

    name: str
    language: str
    file: str


TASKS = tuple(
    Task(item.task, item.language, f"{item.dataset}/{item.places[0]}") for item in READER.rules.sets
)


def published_runs(golden: Path) -> list[Path]:
    """Return the folders of the published code runs."""
    return sorted((golden / "code").iterdir())


def programs_of(run: Path, task: Task, hub: Path) -> list[str]:
    """Return the whole programs of a run's task: generation, line break, tests."""
    rows = READER.official_rows(task.name, hub / "datasets" / task.file)
    texts = READER.generations(task.name, run / f"generations_{task.name}.json")
    return [f"{text}\n{row.target}" for text, row in zip(texts, rows, strict=True)]


def verdicts_of(run: Path, task: Task) -> list[str]:
    """Return the verdicts on file: passed, timed out, build failed, failed and why."""
    verdicts: list[str] = json.loads((run / f"verdicts_{task.name}.json").read_text())
    return verdicts
