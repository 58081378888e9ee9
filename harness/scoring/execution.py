"""Scores of published programs: each is executed with its tests, in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from harness.boards.board import Board
from harness.boards.challenge import load_challenge
from harness.boards.execution import LANGUAGES, Execution, execute
from harness.boards.protocols.program_protocol import ProgramProtocol
from harness.boards.protocols.programs import ProgramReader, program_of
from harness.boards.published_files import is_lines, parse_lines
from harness.boards.registry import board_of_task, protocol_of
from harness.boards.rows import Row, row_digest
from harness.document import read_text, sha256_file
from harness.errors import EvaluationError, HarnessError, UsageError
from harness.scoring.rescore import file_of
from harness.scoring.statistics import summarize


def protocol_of_programs(task: str) -> tuple[Board, ProgramProtocol]:
    """Return the board of an evaluation set whose outputs are programs, and its protocol.

    Raises:
        UsageError: no board has the set, or its outputs are no programs.
    """
    board = board_of_task(task)
    if board.published != "programs":
        raise UsageError(
            f"{task}: its outputs are {board.published}, which are read and not executed; leave out"
            " --execute"
        )
    protocol = protocol_of(load_challenge(board.id))
    assert isinstance(protocol, ProgramProtocol)
    return board, protocol


def require_toolchains(tasks: Iterable[str]) -> None:
    """Check that the programs of these sets can be executed here, before minutes are spent.

    Raises:
        UsageError: outputs of a set are no programs.
        EvaluationError: an interpreter or compiler is missing; which one, and how to get it.
    """
    for language in sorted({_language(task) for task in tasks}):
        LANGUAGES[language]()


def _language(task: str) -> str:
    return protocol_of_programs(task)[1].program_set(task).language


def execute_published(
    task: str,
    text: str,
    where: str,
    tests: Sequence[Path],
    policy: Literal["required", "auto"],
) -> Execution:
    """Execute the programs of a published generations file that was read already.

    Args:
        task: evaluation set.
        text: of the file.
        where: how messages call it.
        tests: files of the official rows.
        policy: whether a sandbox that isolates less than completely is refused ("required").

    Raises:
        As `rescore_programs`.
    """
    _, protocol = protocol_of_programs(task)
    rows = protocol.rows(task, tests).rows
    texts = protocol.programs_in(task, text, where, [row.context for row in rows])
    programs = [program_of("", text, row.tests) for text, row in zip(texts, rows, strict=True)]
    return execute(programs, protocol.program_set(task).language, policy=policy)


def rescore_programs(
    task: str,
    path: Path,
    tests: Sequence[Path],
    policy: Literal["required", "auto"],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Execute the programs of one generations file.

    Args:
        task: evaluation set.
        path: upstream's generations_<task>.json, ours, or the folder of a run or a submission.
        tests: files of the official rows.
        policy: whether a sandbox that isolates less than completely is refused ("required").
        progress: called with how many programs are done and how many there are.

    Returns:
        task, metric, examples, correct, accuracy, stderr, interval, passed_on_other_machines (two
        counts), run_again, verdicts (row, outcome, reason, attempts), language, toolchain,
        workers, wall_s, isolation, isolation_complete, rows, sha256 of the file, `stated`: what the
        results file beside it says, or None without one, and `otherwise`: of our own files, the
        rows whose stated verdict is not the one that this execution gave.

    Raises:
        UsageError: outputs of the set are no programs.
        RecordError: the file is not readable JSON.
        MissingExtraError: what reads the tests is not installed.
        EvaluationError: its prompts or the tests are not the official ones, an interpreter or
            compiler is missing, or no sandbox is accepted.
    """
    board, protocol = protocol_of_programs(task)
    rows = protocol.rows(task, tests).rows
    path = file_of(task, path)
    texts, verdicts = _published(protocol, task, path, rows)
    programs = [program_of("", text, row.tests) for text, row in zip(texts, rows, strict=False)]
    language = protocol.program_set(task).language
    done = execute(programs, language, policy=policy, progress=progress)
    summary = asdict(summarize(done.passed, len(programs)))
    return {
        "task": task,
        "metric": board.metric,
        **summary,
        **_of_execution(done),
        "rows": "official",
        "sha256": sha256_file(path),
        "stated": stated_beside(protocol, task, path, summary["accuracy"]),
        "otherwise": [
            row
            for row, (said, found) in enumerate(zip(verdicts, done.verdicts, strict=False))
            if said != found.outcome
        ],
    }


def _published(
    protocol: ProgramProtocol, task: str, path: Path, rows: Sequence[Row]
) -> tuple[list[str], list[str]]:
    """Return the programs of a file without their tests, and the verdicts that it states, if any.

    A run or a submission of a part of the rows holds the first of them.

    Args:
        protocol: the board's.
        task: evaluation set.
        path: upstream's file or ours.
        rows: the official rows.

    Raises:
        EvaluationError: its prompts are not the official ones in order.
    """
    text = read_text(path)
    if not is_lines(text):
        return protocol.generations(task, path, [row.context for row in rows]), []
    lines = parse_lines(text, str(path))
    texts = []
    for place, line in enumerate(lines):
        official = rows[place] if place < len(rows) else Row("", "")
        found = line.row or row_digest(Row(line.prompt, line.target))
        if found != row_digest(official) or line.output is None:
            raise EvaluationError(
                f"{path}: {line.where}: not official row {place} of {task}, or without its"
                " completion; a smoke run's rows are synthetic, and no official test is of them"
            )
        texts.append(official.context + line.output)
    return texts, [line.stated or "" for line in lines]


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
