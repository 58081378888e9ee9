"""Programs of published code runs, with the tests that the scorer appends to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.boards.challenge import load_challenge
from harness.boards.protocols.programs import program_of
from harness.boards.registry import protocol_of

CHALLENGE = load_challenge("code")
PROTOCOL = protocol_of(CHALLENGE)


@dataclass(frozen=True)
class Task:
    """One task of the code board: its language and the file that holds its tests."""

    name: str
    language: str
    file: str


TASKS = tuple(
    Task(item.task, item.language, f"{item.dataset}/{item.files[0]}")
    for item in CHALLENGE.evaluation
)


def published_runs(golden: Path) -> list[Path]:
    """Return the folders of the published code runs."""
    return sorted((golden / "code").iterdir())


def programs_of(run: Path, task: Task, hub: Path) -> list[str]:
    """Return the whole programs of a run's task: generation, line break, tests."""
    rows = PROTOCOL.rows(task.name, [hub / "datasets" / task.file]).rows
    texts = PROTOCOL.generations(task.name, run / f"generations_{task.name}.json")
    return [program_of("", text, row.tests) for text, row in zip(texts, rows, strict=True)]


def verdicts_of(run: Path, task: Task) -> list[str]:
    """Return the verdicts on file: passed, timed out, build failed, failed and why."""
    verdicts: list[str] = json.loads((run / f"verdicts_{task.name}.json").read_text())
    return verdicts
