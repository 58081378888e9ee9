"""Programs of published code runs, with the tests that the scorer appends to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas


@dataclass(frozen=True)
class Task:
    """One task of the code board: its language and the file that holds its tests."""

    name: str
    language: str
    file: str


TASKS = (
    Task("mbpp", "python", "google-research-datasets/mbpp/full/test.parquet"),
    Task("humaneval", "python", "openai/openai_humaneval/test.parquet"),
    Task("multiple-js", "javascript", "nuprl/MultiPL-E/humaneval-js/test.parquet"),
    Task("multiple-cpp", "cpp", "nuprl/MultiPL-E/humaneval-cpp/test.parquet"),
)


def published_runs(golden: Path) -> list[Path]:
    """Return the folders of the published code runs."""
    return sorted((golden / "code").iterdir())


def programs_of(run: Path, task: Task, hub: Path) -> list[str]:
    """Return the whole programs of a run's task: generation, line break, tests."""
    rows = pandas.read_parquet(hub / "datasets" / task.file).to_dict("records")
    generations = json.loads((run / f"generations_{task.name}.json").read_text())
    if task.name == "mbpp":
        tests = ["\n".join(row["test_list"]) for row in rows]
    elif task.name == "humaneval":
        tests = [f"\n{row['test']}\ncheck({row['entry_point']})" for row in rows]
    else:
        tests = [row["tests"] for row in rows]
    return [f"{one[0]}\n{test}" for one, test in zip(generations, tests, strict=True)]


def verdicts_of(run: Path, task: Task) -> list[str]:
    """Return the verdicts on file: passed, timed out, build failed, failed and why."""
    verdicts: list[str] = json.loads((run / f"verdicts_{task.name}.json").read_text())
    return verdicts
