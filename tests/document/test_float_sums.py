"""Numbers that are recorded do not depend on how this Python's `sum` rounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.boards.protocols import class_measures
from harness.document.float_sums import sum_in_order
from harness.leaderboard.entries import figures, run_entry
from harness.record import score

TENTHS = [0.1] * 10
PAIRS = Counter(zip("bcaabcbaaabb", "bbcabcaabaac", strict=True))
SCORES = tuple(SimpleNamespace(value=0.1, stderr=0.1**0.5, metric="accuracy") for _ in TENTHS)


def test_numbers_are_added_from_left_to_right() -> None:
    assert sum_in_order(TENTHS) == 0.9999999999999999
    assert math.fsum(TENTHS) == 1.0
    assert sum_in_order(iter(())) == 0.0
    assert sum_in_order([1e16, 1.0, -1e16]) == 0.0


@pytest.mark.parametrize(
    ("module", "computed"),
    [
        (score, lambda: score.average(SCORES)),  # type: ignore[arg-type]
        (figures, lambda: figures.mean_of(dict(enumerate(SCORES)))),  # type: ignore[arg-type]
        (run_entry, lambda: run_entry._average(list(TENTHS))),
        (class_measures, lambda: class_measures.class_measures(PAIRS)),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_sum_that_carries_lost_digits_changes_no_record(
    module: ModuleType, computed: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sum", lambda values: sum_in_order(values), raising=False)
    before = computed()
    monkeypatch.setattr(module, "sum", math.fsum, raising=False)
    assert computed() == before
