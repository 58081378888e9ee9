"""Evaluation rows that are in the challenge's training set, pinned by row number.

They follow from data that the challenge pins, so a checker without the data knows them: the
evaluation rows by digest, and the training rows that repeat them by the anchor of
`harness.boards.challenge.TrainingPin`. A test counts them again from the data.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources


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
        return tuple(row for row in range(rows) if row not in self.text)


@functools.cache
def pinned_leaks(challenge_id: str) -> dict[str, PinnedLeak]:
    """Return task -> its leaked rows; empty when none are pinned."""
    file = resources.files("harness.boards").joinpath(f"{challenge_id}/leaks.json")
    if not file.is_file():
        return {}
    return {
        task: PinnedLeak(
            frozenset(value["text"]), tuple((tuple(rows), spare) for rows, spare in value["exact"])
        )
        for task, value in json.loads(file.read_text("utf-8")).items()
    }
