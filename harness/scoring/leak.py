"""Evaluation rows that a run trained on.

Two counts, because the sets hold sentences more than once. `text_rows` counts rows whose sentence
is in the training data, under whatever label. `certain_rows` counts rows that must themselves be
training rows: when the training data holds more copies of a sentence with its label than the set
has outside its evaluation part, the rest can only have come from there. Training files repeat
every row of a source equally often; that factor is divided out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd

from harness.boards.rows import Example


@dataclass(frozen=True, slots=True)
class LeakCount:
    """How much of one evaluation set is in the training data."""

    certain_rows: int
    text_rows: int
    clean: tuple[bool, ...]
    """Per evaluation row: whether its sentence is absent from the training data."""


def count_leak(
    training: Iterable[Example], source: Sequence[Example], evaluation: Sequence[Example]
) -> LeakCount:
    """Count the evaluation rows that are in the training data.

    Args:
        training: all training rows, label as trained on.
        source: all rows of the data set that the evaluation rows were drawn from, them included.
        evaluation: the evaluation rows in order.
    """
    trained = Counter(training)
    texts = {text for text, _ in trained}
    copies, drawn = Counter(source), Counter(evaluation)
    seen = {example: trained[example] for example in copies if example in trained}
    factor = reduce(gcd, seen.values(), 0)
    certain = sum(
        min(count, max(0, seen[example] // factor - (copies[example] - count)))
        for example, count in drawn.items()
        if example in seen
    )
    clean = tuple(text not in texts for text, _ in evaluation)
    return LeakCount(certain, clean.count(False), clean)
