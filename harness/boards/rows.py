"""Rows of an evaluation set, their prompts, and the pinned digests that name a wrong one.

`rows.json` in a board's folder holds a digest of every official row, in order: enough to say
which row of a published file is missing, extra, moved or edited, without shipping any text.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from harness.boards.challenge import Challenge
from harness.errors import EvaluationError

CONTEXT_CHARS = 12
"""Hex digits that identify a prompt: 48 bits, for 3,904 rows."""
TARGET_CHARS = 8
"""Hex digits that follow and bind the prompt to its label."""

PROMPT = "Instruction: {instruction}\nInput: {text}\nAnswer: "
"""Source: upstream `format_example`. The trailing space is part of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as upstream's script prompts for it."""

    context: str
    """The whole prompt."""
    target: str
    """The right label."""


def make_row(challenge: Challenge, text: str, label: str, tag: str) -> Row:
    """Return the row of one sentence; `tag` is news or tweet.

    An empty sentence leaves the input line out, as upstream does.
    """
    instruction = challenge.protocol.instruction.format(tag=tag)
    prompt = PROMPT if text else PROMPT.replace("Input: {text}\n", "")
    return Row(prompt.format(instruction=instruction, text=text), label)


def row_digest(row: Row) -> str:
    """Return the 20 hex digits that pin a row: its prompt's, then those that bind its label."""
    return bind_target(context_digest(row.context), row.target)


def bind_target(context: str, target: str) -> str:
    """Return a row's digest from its prompt's and its label.

    It needs no prompt text, so a submission that holds none can be checked, label by label.
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
        digest.update(json.dumps([row.context, row.target], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


@functools.cache
def pinned_digests(challenge_id: str) -> dict[str, tuple[str, ...]]:
    """Return task -> digests of its official rows in order; empty when none are pinned."""
    file = resources.files("harness.boards").joinpath(f"{challenge_id}/rows.json")
    if not file.is_file():
        return {}
    return {task: tuple(rows) for task, rows in json.loads(file.read_text("utf-8")).items()}


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
    pinned = official[task]
    found = [row_digest(row) for row in rows]
    if tuple(found) == pinned and fingerprint(rows) == challenge.evaluation_set(task).fingerprint:
        return
    contexts = [digest[:CONTEXT_CHARS] for digest in found]
    _refuse_other_task(official, task, contexts, where)
    place = next(
        (i for i, pair in enumerate(zip(found, pinned, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(pinned)),
    )
    raise EvaluationError(
        f"{where}: row {place}: {_explain(found, pinned, place)};"
        f" expected the {len(pinned)} official rows of {task} in order"
    )


def _refuse_other_task(
    official: dict[str, tuple[str, ...]], task: str, contexts: Sequence[str], where: str
) -> None:
    overlap = {
        name: len({digest[:CONTEXT_CHARS] for digest in digests} & set(contexts))
        for name, digests in official.items()
    }
    best = max(overlap, key=lambda name: overlap[name])
    if best != task and overlap[best] > overlap[task]:
        raise EvaluationError(
            f"{where}: holds rows of {best} ({overlap[best]} prompts), not of {task}"
            f" ({overlap[task]}); score it as {best}"
        )


def _explain(found: Sequence[str], pinned: Sequence[str], place: int) -> str:
    if place >= len(found):
        return f"missing, the file ends after {len(found)} rows"
    if place >= len(pinned):
        return f"extra, the set has {len(pinned)} rows"
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
