"""Rows of an evaluation set, their prompts, and the pinned digests that name a wrong one.

`rows.json` in a board's folder holds a digest of every official row, in order: enough to say
which row of a published file is missing, extra, moved or edited, without shipping any text.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import NoReturn

from harness.boards.board import board_folder
from harness.boards.challenge import ROWS, Challenge, EvaluationSet, load_challenge
from harness.document import parse_json
from harness.document.units import how_many
from harness.errors import EvaluationError, RecordError

CONTEXT_CHARS = 12
"""Hex digits that identify a prompt: 48 bits. Among the 11,577 rows of the largest board two
prompts share them with a chance of 2.4e-7; the fingerprint of a set tells them apart even then."""
TARGET_CHARS = 8
"""Hex digits that follow and bind the prompt to its right answer."""

DIGEST = re.compile(f"[0-9a-f]{{{CONTEXT_CHARS + TARGET_CHARS}}}")

Example = tuple[str, str]
"""(text, answer), as a training row and an evaluation row can have it in common."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as upstream's script prompts for it."""

    context: str
    """The whole prompt."""
    target: str
    """The right answer."""
    subset: str | None = None
    """Part of the set that the row belongs to, where it has parts."""
    tests: str = ""
    """What an output must pass, where outputs are programs; `target` then says that it did."""


@dataclass(frozen=True, slots=True)
class OfficialSet:
    """One evaluation set, ready to be prompted for."""

    task: str
    rows: tuple[Row, ...]
    examples: tuple[Example, ...]
    """(text, answer) of each row: what is looked for in the training set."""
    source: tuple[Example, ...]
    """(text, answer) of all rows that the set was drawn from."""


def row_digest(row: Row) -> str:
    """Return the 20 hex digits that pin a row: its prompt's, then those that bind its answer."""
    return bind_target(context_digest(row.context), row.target)


def bind_target(context: str, target: str) -> str:
    """Return a row's digest from its prompt's and its right answer.

    It needs no prompt text, so a submission that holds none can be checked, answer by answer.
    """
    whole = hashlib.sha256(f"{context}\x00{target}".encode()).hexdigest()
    return context + whole[:TARGET_CHARS]


def context_digest(context: str) -> str:
    """Return the part of a row's digest that the prompt alone decides."""
    return hashlib.sha256(context.encode()).hexdigest()[:CONTEXT_CHARS]


def fingerprint(rows: Sequence[Row]) -> str:
    """Return the sha256 over all rows in order: what `fingerprint` of a challenge pins."""
    digest = hashlib.sha256()
    for row in rows:
        parts = [row.context, row.target, *([row.tests] if row.tests else ())]
        digest.update(json.dumps(parts, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


@functools.cache
def pinned_digests(challenge_id: str) -> dict[str, tuple[str, ...]]:
    """Return task -> digests of its official rows in order, of every set whose rows are known.

    Raises:
        RecordError: the board's `rows.json` is missing or does not fit its `rules.toml`.
    """
    return read_pinned_digests(board_folder(challenge_id), load_challenge(challenge_id))


def read_pinned_digests(folder: Traversable, challenge: Challenge) -> dict[str, tuple[str, ...]]:
    """Return what `rows.json` of a board's folder pins, task -> digests of its rows in order.

    Raises:
        RecordError: the file does not fit the sets and the numbers of rows of `challenge`.
    """
    pinned = {item.task: item.rows for item in challenge.evaluation if item.fingerprint}
    return read_digests(folder, pinned)


def read_digests(folder: Traversable, expected: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Return what `rows.json` of a board's folder pins, task -> digests of its rows in order.

    Args:
        folder: of the board.
        expected: task -> its number of rows.

    Raises:
        RecordError: the file does not fit the sets and the numbers of rows.
    """
    file = folder.joinpath(ROWS)
    value = parse_json(file.read_text("utf-8"), str(file))
    if not isinstance(value, dict) or set(value) != set(expected):
        found = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        raise RecordError(f"{file}: holds {found}; expected the sets {', '.join(expected)}")
    for task, digests in value.items():
        if len(digests) != expected[task]:
            raise RecordError(
                f"{file}: {how_many(len(digests), 'row')} of {task}, the board says"
                f" {expected[task]:,}; write the digest of every official row"
            )
        for place, digest in enumerate(digests):
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                raise RecordError(
                    f"{file}: row {place} of {task} is {digest!r:.40}; expected"
                    f" {CONTEXT_CHARS + TARGET_CHARS} hex digits"
                )
    return {task: tuple(value[task]) for task in expected}


def check_rows(challenge: Challenge, task: str, rows: Sequence[Row], where: str) -> None:
    """Check that `rows` are the official rows of `task`, in order.

    Args:
        challenge: whose rows.
        task: evaluation set.
        rows: as read.
        where: file name for the message.

    Raises:
        EvaluationError: a row is missing, extra, moved or edited; the first such row is named, and
            the task that the file really holds when it is another one.
    """
    official = pinned_digests(challenge.id)
    found = [row_digest(row) for row in rows]
    pinned = official.get(task)
    if pinned is None:
        _check_number(official, challenge.evaluation_set(task), found, where)
        return
    if tuple(found) == pinned and fingerprint(rows) == challenge.evaluation_set(task).fingerprint:
        return
    refuse(official, task, found, where)


def refuse(
    official: Mapping[str, Sequence[str]], task: str, found: Sequence[str], where: str
) -> NoReturn:
    """Say in words how rows differ from the official ones.

    Args:
        official: task -> digests of its rows in order, of all tasks of the board.
        task: evaluation set.
        found: digests of the rows that differ somewhere.
        where: file name for the message.

    Raises:
        EvaluationError: always; the first row that differs is named, or the task that they are of.
    """
    pinned = official[task]
    contexts = [digest[:CONTEXT_CHARS] for digest in found]
    _refuse_other_task(official, task, contexts, where)
    place = next(
        (i for i, pair in enumerate(zip(found, pinned, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(pinned)),
    )
    raise EvaluationError(
        f"{where}: row {place}: {_explain(found, pinned, place)};"
        f" expected the {len(pinned):,} official rows of {task} in order"
    )


def _check_number(
    official: dict[str, tuple[str, ...]], item: EvaluationSet, found: Sequence[str], where: str
) -> None:
    """Check what is known of rows that could not be had: their number, and what they are not."""
    _refuse_other_task(official, item.task, [digest[:CONTEXT_CHARS] for digest in found], where)
    if len(found) != item.rows:
        raise EvaluationError(
            f"{where}: {how_many(len(found), 'row')}; expected the {item.rows:,} official rows of"
            f" {item.task}"
        )


def _refuse_other_task(
    official: Mapping[str, Sequence[str]], task: str, contexts: Sequence[str], where: str
) -> None:
    overlap = {
        name: len({digest[:CONTEXT_CHARS] for digest in digests} & set(contexts))
        for name, digests in official.items()
    }
    best = max(overlap, key=lambda name: overlap[name])
    if best != task and overlap[best] > overlap.get(task, 0):
        raise EvaluationError(
            f"{where}: holds rows of {best} ({overlap[best]} prompts), not of {task}"
            f" ({overlap.get(task, 0)}); score it as {best}"
        )


def _explain(found: Sequence[str], pinned: Sequence[str], place: int) -> str:
    if place >= len(found):
        return f"missing, the file ends after {how_many(len(found), 'row')}"
    if place >= len(pinned):
        return f"extra, the set has {len(pinned):,} rows"
    here, wanted = found[place], pinned[place]
    if here[:CONTEXT_CHARS] == wanted[:CONTEXT_CHARS]:
        return "its target differs from the official label"
    # Exactly one row added or left out shifts everything after it by one.
    if found[place + 1 :] == list(pinned[place:]) or found[place + 1 : place + 4] == list(
        pinned[place : place + 3]
    ):
        return "extra, the official rows go on after it"
    if found[place : place + 3] == list(pinned[place + 1 : place + 4]) and len(found) < len(pinned):
        return "missing, the file goes on with the row after it"
    known = {digest[:CONTEXT_CHARS]: index for index, digest in enumerate(pinned)}
    if here[:CONTEXT_CHARS] in known:
        return f"moved, its prompt belongs to row {known[here[:CONTEXT_CHARS]]}"
    return "its prompt differs from the official one"
