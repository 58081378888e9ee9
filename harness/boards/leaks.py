"""Evaluation rows that are in the challenge's training set, pinned by row number.

They follow from data that the challenge pins, so a checker without the data knows them: the
evaluation rows by digest, and the training rows that repeat them by the anchor of
`harness.boards.challenge.TrainingPin`. A test counts them again from the data.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from harness.boards.board import board_folder
from harness.boards.challenge import load_challenge
from harness.document import parse_json
from harness.errors import RecordError

LEAKS = "leaks.json"
"""File of a board's folder, where leaks are pinned."""


@dataclass(frozen=True, slots=True)
class PinnedLeak:
    """The leaked rows of one evaluation set."""

    text: frozenset[int]
    """Rows whose sentence is in the training set, under whatever label."""
    exact: tuple[tuple[tuple[int, ...], int], ...]
    """(rows of one sentence and label, how many of its copies training can have from elsewhere)"""

    def exact_rows(self, rows: int) -> int:
        """Return how many of the first `rows` rows must be training rows; see `count_leak`."""
        counted = ((sum(row < rows for row in group), spare) for group, spare in self.exact)
        return sum(max(0, min(count, count - spare)) for count, spare in counted)

    def clean(self, rows: int) -> tuple[int, ...]:
        """Return those of the first `rows` rows whose sentence is not in the training set."""
        return _clean(self.text, rows)


@functools.lru_cache(maxsize=64)
def _clean(leaked: frozenset[int], rows: int) -> tuple[int, ...]:
    return tuple(row for row in range(rows) if row not in leaked)


@functools.cache
def pinned_leaks(challenge_id: str) -> dict[str, PinnedLeak]:
    """Return task -> its leaked rows; empty when none are pinned.

    Raises:
        RecordError: the board's `leaks.json` names a row or a set that is not there.
    """
    file = board_folder(challenge_id).joinpath(LEAKS)
    if not file.is_file():
        return {}
    leaks = {
        task: PinnedLeak(
            frozenset(value["text"]), tuple((tuple(rows), spare) for rows, spare in value["exact"])
        )
        for task, value in parse_json(file.read_text("utf-8"), str(file)).items()
    }
    sizes = {item.task: item.rows for item in load_challenge(challenge_id).evaluation}
    for task, leak in leaks.items():
        last = max((*leak.text, *(row for group, _ in leak.exact for row in group)), default=-1)
        if last >= sizes.get(task, 0):
            raise RecordError(
                f"{file}: row {last} of {task}; expected rows of {', '.join(sizes)} below their"
                " number of rows"
            )
    return leaks
