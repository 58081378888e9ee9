"""Scores of published programs: each is executed with its tests, in a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from harness.boards.board import Board
from harness.boards.execution import Execution, execute
from harness.boards.protocols.programs import ProgramReader
from harness.boards.registry import board_of_task, reader_of
from harness.document import read_text, sha256_file
from harness.errors import HarnessError, UsageError
from harness.scoring.statistics import summarize


def reader_of_programs(task: str) -> tuple[Board, ProgramReader]:
    """Return the board of an evaluation set whose outputs are programs, and its reader.

    Raises:
        UsageError: no board has the set, or its outputs are no programs.
    """
    board = board_of_task(task)
    reader = reader_of(board.id)
    if not isinstance(reader, ProgramReader):
        raise UsageError(
            f"{task}: its outputs are {board.published}, which are read and not executed; leave out"
            " --execute"
        )
    return board, reader


def rescore_programs(
    task: str,
    path: Path,
    tests: Path,
    policy: Literal["required", "auto"],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Execute the programs of one published generations file.

    Args:
        task: evaluation set.
        path: upstream's generations_<task>.json.
        tests: file of the official rows.
        policy: whether a sandbox that isolates less than completely is refused ("required").
        progress: called with how many programs are done and how many there are.

    Returns:
        task, metric, examples, correct, accuracy, stderr, interval, passed_on_other_machines (two
        counts), run_again, verdicts (row, outcome, reason, attempts), language, toolchain,
        workers, wall_s, isolation, isolation_complete, rows, sha256 of the file, and `stated`: what
        the results file beside it says, or None without one.

    Raises:
        UsageError: outputs of the set are no programs.
        RecordError: the file is not readable JSON.
        MissingExtraError: what reads the tests is not installed.
        EvaluationError: its prompts or the tests are not the official ones, an interpreter or
            compiler is missing, or no sandbox is accepted.
    """
    board, reader = reader_of_programs(task)
    rows = reader.official_rows(task, tests)
    texts = reader.generations(task, path, [row.context for row in rows])
    programs = [f"{text}\n{row.target}" for text, row in zip(texts, rows, strict=True)]
    done = execute(programs, reader.program_set(task).language, policy=policy, progress=progress)
    summary = asdict(summarize(done.passed, len(programs)))
    return {
        "task": task,
        "metric": board.metric,
        **summary,
        **_of_execution(done),
        "rows": "official",
        "sha256": sha256_file(path),
        "stated": stated_beside(reader, task, path, summary["accuracy"]),
    }


def stated_beside(
    reader: ProgramReader, task: str, path: Path, accuracy: float
) -> dict[str, Any] | None:
    """Return what the results file in the folder of a generations file says; None without one.

    Args:
        reader: the board's.
        task: evaluation set.
        path: the generations file.
        accuracy: what executing its programs gave.
    """
    file = path.with_name(reader.results_file(task))
    if not file.is_file():
        return None
    try:
        text = read_text(file)
    except HarnessError as error:
        return {"file": file.name, "value": None, "equal": False, "settings": [str(error)]}
    value = reader.stated_accuracy(task, text)
    return {
        "file": file.name,
        "value": value,
        "equal": value is not None and abs(float(value) - accuracy) < 1e-9,
        "settings": list(reader.unofficial_settings(task, text)),
    }


def _of_execution(done: Execution) -> dict[str, Any]:
    return {
        "passed_on_other_machines": list(done.passed_on_other_machines),
        "run_again": sum(len(verdict.attempts) == 2 for verdict in done.verdicts),
        "language": done.language,
        "toolchain": done.toolchain,
        "precompiled_header": done.precompiled_header,
        "workers": done.workers,
        "wall_s": done.wall_s,
        "isolation": done.isolation.model_dump(mode="json"),
        "isolation_complete": done.isolation.complete,
        "verdicts": [
            {
                "row": row,
                "verdict": str(verdict),
                "depends_on_speed": verdict.depends_on_speed,
                "attempts": [each.model_dump(mode="json") for each in verdict.attempts],
            }
            for row, verdict in enumerate(done.verdicts)
        ],
    }
