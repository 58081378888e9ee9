"""Reference rows: what upstream's baseline and answers without a model score."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.boards.board import load_board
from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.registry import reader_of
from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.entries.figures import counted, mean_of
from harness.record.ladder import LEVELS


def reference_entries(board_id: str) -> list[Entry]:
    """Return the reference rows of a board; none where its rows are not pinned."""
    if board_id not in challenge_names():
        return []
    return [_published(board_id), *_constants(board_id)]


@cache
def official_answers(board_id: str, task: str) -> tuple[str, ...] | None:
    """Return the right answer of each official row, which the row's digest binds.

    None where the rows could not be pinned.
    """
    pinned = pinned_digests(board_id).get(task)
    if pinned is None:
        return None
    possible = reader_of(board_id).targets(task)
    return tuple(
        next(answer for answer in possible if bind_target(row[:CONTEXT_CHARS], answer) == row)
        for row in pinned
    )


def _published(board_id: str) -> Entry:
    board, baseline = load_board(board_id), load_challenge(board_id).protocol.baseline
    scores = {
        task: counted(round(baseline[task] * rows), rows, None) for task, rows in board.rows.items()
    }
    return _entry(board_id, "upstream-baseline", "Published baseline", scores, board.baseline)


def _constants(board_id: str) -> list[Entry]:
    """Return the entries of the best constant answer and of no answer at all.

    Both score like every other entry, row by row, so that the paired test can be made with them.
    """
    reader, tasks = reader_of(board_id), load_board(board_id).rows
    right = {task: official_answers(board_id, task) for task in tasks}
    known = {task: answers for task, answers in right.items() if answers is not None}
    if not reader.rederivable or len(known) != len(tasks):
        return []
    best = {task: max(reader.targets(task), key=known[task].count) for task in tasks}
    empty = {task: reader.read(task, "", "").answer for task in tasks}
    named = ", ".join(f"{task} {answer}" for task, answer in best.items())
    read_as = ", ".join(dict.fromkeys(empty.values())) or "no answer"
    return [
        _entry(board_id, "best-constant", "Best constant answer", _scores(known, best),
               f"one answer for every row of a set, the best one: {named}"),
        _entry(board_id, "empty-answer", "Empty answer", _scores(known, empty),
               f"no output at all, which the official parser reads as {read_as}"),
    ]  # fmt: skip


def _scores(
    right: Mapping[str, tuple[str, ...]], constant: Mapping[str, str]
) -> dict[str, EntryScore]:
    scores = {}
    for task, answers in right.items():
        bits = "".join("1" if answer == constant[task] else "0" for answer in answers)
        scores[task] = counted(bits.count("1"), len(bits), bits)
    return scores


def _entry(
    board_id: str, name: str, title: str, scores: dict[str, EntryScore], method: str
) -> Entry:
    average, low, high = mean_of(scores)
    level = "claimed" if name == "upstream-baseline" else "derived"
    return Entry(
        key=f"{board_id}/{name}", name=name, kind="reference", title=title, model="",
        method=method, eligible=False, scores=scores, average=average, low=low, high=high,
        level=level, rungs=(level,) if level in LEVELS else (),
    )  # fmt: skip
