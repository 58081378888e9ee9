"""Evaluation files of a project: accuracies as written, generations recounted."""

from __future__ import annotations

import json
import re
from pathlib import Path

from harness.boards.board import Board
from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.registry import reader_of
from harness.boards.rows import Row, check_rows
from harness.claims.importing.project import MAX_PUBLISHED_BYTES, Project, choose_run
from harness.claims.record import ClaimedSet, Quote, Recount
from harness.errors import HarnessError, RecordError

STATED = re.compile(r"\s*Accuracy:\s*([0-9.eE+-]{1,40}?)\.?\s*")
"""The evaluation script writes `Accuracy: 0.5657894736842105. `"""

CODE_FOLDER = re.compile(r"(?:.*/)?(?P<run>[^/]*)/evaluation_results_")


def read_sets(
    project: Project, board: Board, run: str | None, unread: list[str]
) -> tuple[ClaimedSet, ...]:
    """Read the accuracy and generation files of one run.

    Raises:
        UsageError: several runs and no choice.
    """
    if board.id == "code":
        return _code_sets(project, board, run, unread)
    found: dict[str, dict[str, dict[str, str]]] = {}
    for task in board.rows:
        for kind, suffix in (("acc", r"\.txt"), ("generation", r"\.jsonl?")):
            for name in project.find(rf"{kind}_{task}_.*{suffix}"):
                last = name.rsplit("/", 1)[-1]
                label = last[len(f"{kind}_{task}_") :].rsplit(".", 1)[0]
                found.setdefault(label, {}).setdefault(task, {})[kind] = name
    chosen = choose_run({k: set(v) for k, v in found.items()}, run, project.folder)
    files = found.get(chosen, {}) if chosen is not None else {}
    return tuple(_one_set(project, board, task, files.get(task, {}), unread) for task in board.rows)


def _one_set(
    project: Project, board: Board, task: str, files: dict[str, str], unread: list[str]
) -> ClaimedSet:
    fraction = recount = None
    if "acc" in files:
        match = STATED.fullmatch(project.text(files["acc"]))
        if match is None:
            unread.append(f"{files['acc']}: no `Accuracy: x`")
        else:
            fraction = Quote(text=match.group(1), file=files["acc"])
    if "generation" in files:
        try:
            recount = recount_file(project, board, task, files["generation"])
        except HarnessError as error:
            unread.append(f"{files['generation']}: {str(error).split(': ', 1)[-1][:160]}")
    return ClaimedSet(task=task, fraction=fraction, recount=recount)


def recount_file(project: Project, board: Board, task: str, name: str) -> Recount:
    """Recount one generations file.

    Raises:
        HarnessError: not readable as one.
    """
    project.data(name, MAX_PUBLISHED_BYTES)
    path = project.folder / name
    reader = reader_of(board.id)
    published = reader.published(path)
    right = [
        item.stated == item.target
        if item.output is None
        else reader.read(task, item.output, item.target).correct
        for item in published
    ]
    rows, problem = "unpinned", ""
    if board.id in challenge_names():
        found = [Row(item.prompt, item.target) for item in published]
        rows, problem = _official(board, path, task, found)
    return Recount(
        file=name,
        sha256=project.digests[name],
        correct=sum(right),
        examples=len(right),
        bits="".join("1" if item else "0" for item in right),
        rows=rows,
        problem=problem,
    )


def _official(board: Board, path: Path, task: str, rows: list[Row]) -> tuple[str, str]:
    try:
        check_rows(load_challenge(board.id), task, rows, path.name)
    except HarnessError as error:
        return "other", str(error)[:300]
    return "official", ""


def _code_sets(
    project: Project, board: Board, run: str | None, unread: list[str]
) -> tuple[ClaimedSet, ...]:
    found: dict[str, dict[str, str]] = {}
    for task in board.rows:
        for name in project.find(rf"evaluation_results_{task}\.json"):
            match = CODE_FOLDER.match(f"/{name}")
            label = match.group("run") if match else ""
            found.setdefault(label or "results", {})[task] = name
    chosen = choose_run({k: set(v) for k, v in found.items()}, run, project.folder)
    files = found.get(chosen, {}) if chosen is not None else {}
    sets = []
    for task in board.rows:
        fraction = None
        if task in files:
            value = _pass_at_one(project, files[task], task)
            if value is None:
                unread.append(f"{files[task]}: no pass@1")
            else:
                fraction = Quote(text=value, unit="pass@1", file=files[task])
        sets.append(ClaimedSet(task=task, fraction=fraction))
    return tuple(sets)


def _pass_at_one(project: Project, name: str, task: str) -> str | None:
    try:
        value = json.loads(project.text(name))
    except (ValueError, RecursionError, RecordError):
        return None
    score = value.get(task, {}).get("pass@1") if isinstance(value, dict) else None
    return repr(score) if type(score) in (int, float) else None
