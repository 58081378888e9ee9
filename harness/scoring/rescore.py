"""Scores from a generations file alone: no model, no data set, no numeric package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.protocol import PublishedRow, Reader, Reading
from harness.boards.registry import board_of_task, evaluation_sets, reader_of
from harness.boards.rows import (
    CONTEXT_CHARS,
    Row,
    bind_target,
    check_rows,
    pinned_digests,
    refuse,
)
from harness.document import read_json, read_text, sha256_file
from harness.errors import EvaluationError
from harness.record.file_names import SPEC
from harness.scoring.statistics import summarize


def rescore(task: str, path: Path) -> dict[str, Any]:
    """Recompute every number of one generations file.

    Args:
        task: an evaluation set of any board.
        path: upstream's file, ours, or the folder of a run or a submission.

    Returns:
        task, examples, correct, accuracy, stderr, interval, the board's measures (macro_f1, mcc),
        invalid_rate (None without raw text), references, rows (`official` or `unpinned`), sha256
        of the file, and `subsets` where the file names parts of the set.

    Raises:
        UsageError: no board has such a task.
        RecordError: the file is not readable JSON.
        EvaluationError: it is a smoke run's, its rows are not the official ones, an answer does not
            follow from its text, or answers of this board do not follow from texts.
    """
    board = board_of_task(task)
    reader = reader_of(board.id)
    path = file_of(task, path)
    _refuse_smoke(path.parent.parent)
    # A board whose texts are not read refuses before it is asked whether the file is there.
    text = read_text(path) if reader.rederivable else ""
    rows = reader.published(text, str(path))
    official = board.id in challenge_names()
    if official:
        _refuse_other_rows(board.id, task, rows, str(path))
    return score_rows(reader, task, rows, path) | {"rows": "official" if official else "unpinned"}


def file_of(task: str, path: Path) -> Path:
    """Return a task's generations in a folder; another path as it is.

    The folder is that of a run or a submission, or one where upstream's programs lie.

    Raises:
        EvaluationError: its answers are of other sets alone.
    """
    if not path.is_dir():
        return path
    ours, programs = path / "generations" / f"{task}.jsonl", path / f"generations_{task}.json"
    if programs.is_file() and not ours.is_file():
        return programs
    others = [name for name in evaluation_sets() if (ours.parent / f"{name}.jsonl").is_file()]
    if others and task not in others:
        raise EvaluationError(
            f"{path}: no answers of {task}; there are those of {', '.join(others)}, of the board"
            f" {board_of_task(others[0]).id}: name these"
        )
    return ours


def _refuse_smoke(run_dir: Path) -> None:
    """Check that a folder is none of a smoke run.

    Raises:
        EvaluationError: it is.
    """
    spec = read_json(run_dir / SPEC) if (run_dir / SPEC).is_file() else None
    if isinstance(spec, dict) and spec.get("smoke") is True:
        raise EvaluationError(
            f"{run_dir}: a smoke run, whose rows are made in code and no board's; give a run"
            " without --smoke"
        )


def _refuse_other_rows(board_id: str, task: str, rows: Sequence[PublishedRow], where: str) -> None:
    """Check that rows are the official ones, by their prompts or by the digests in their place.

    Raises:
        EvaluationError: they are not; the first wrong one is named.
    """
    named = [each.row for each in rows if each.row is not None]
    if not named:
        found = [Row(each.prompt, each.target) for each in rows]
        check_rows(load_challenge(board_id), task, found, where)
        return
    pinned = pinned_digests(board_id)
    if task in pinned and tuple(named) != tuple(pinned[task]):
        refuse(pinned, task, named, where)
    for each in rows:
        row = each.row or ""
        if bind_target(row[:CONTEXT_CHARS], each.target) != row:
            raise EvaluationError(
                f"{where}: {each.where}: its right answer {each.target!r:.40} is not the one that"
                " the row's digest binds; the row was edited: submit again"
            )


def score_rows(
    reader: Reader, task: str, rows: Sequence[PublishedRow], path: Path
) -> dict[str, Any]:
    """Return the numbers of rows that are those of the task; see `rescore`.

    Args:
        reader: the board's.
        task: evaluation set.
        rows: as published.
        path: the file, for messages and its digest.
    """
    targets = [row.target for row in rows]
    readings = [reading_of(reader, task, row, path) for row in rows]
    answers = [reading.answer for reading in readings]
    correct = sum(reading.correct for reading in readings)
    result: dict[str, Any] = {
        "task": task,
        **asdict(summarize(correct, len(rows))),
        **reader.measures(task, Counter(zip(targets, answers, strict=True))),
        "invalid_rate": invalid_rate(readings),
        "references": reader.constants(task, targets),
        "sha256": sha256_file(path),
    }
    subsets = sorted({row.subset for row in rows if row.subset is not None})
    if subsets:
        pairs = list(zip(rows, readings, strict=True))
        result["subsets"] = {
            name: share([reading.correct for row, reading in pairs if row.subset == name])
            for name in subsets
        }
    return result


def reading_of(reader: Reader, task: str, row: PublishedRow, path: Path) -> Reading:
    """Return what a published row says, read from its raw text where it holds one.

    Args:
        reader: the board's.
        task: evaluation set.
        row: as published.
        path: the file, for messages.

    Raises:
        EvaluationError: an answer that the board does not know, or that its text does not read.
    """
    known = reader.answers(task)
    for name, value in (("right answer", row.target), ("answer", row.stated)):
        if known is not None and value is not None and value not in known:
            raise EvaluationError(
                f"{path}: {row.where}: its {name} is {value!r:.40}; expected {', '.join(known)}"
            )
    if row.output is None:
        answer = row.stated or ""
        return Reading(answer, None, answer == row.target)
    reading = reader.read(task, row.output, row.target)
    if row.stated is not None and row.stated != reading.answer:
        raise EvaluationError(
            f"{path}: {row.where}: its answer is {row.stated!r}, its text reads"
            f" {reading.answer!r}; the row was edited: evaluate again"
        )
    return reading


def invalid_rate(readings: Sequence[Reading]) -> float | None:
    """Return the share of outputs that hold no answer; None when an output is not there."""
    valid = [reading.valid for reading in readings]
    return None if None in valid else valid.count(False) / len(valid)


def share(right: Sequence[bool]) -> float:
    """Return the share of true values."""
    return sum(right) / len(right)
