"""Our plain-Python statistics are those of the reference packages."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring import statistics
from harness.scoring.statistics import bootstrap_interval, standard_error, summarize


@pytest.mark.parametrize(("correct", "examples"), [(1, 2), (865, 1212), (0, 5), (304, 304)])
def test_the_standard_error_is_lm_evals(correct: int, examples: int) -> None:
    metrics = pytest.importorskip("lm_eval.api.metrics")
    rows = [1.0] * correct + [0.0] * (examples - correct)
    assert standard_error(correct, examples) == pytest.approx(metrics.mean_stderr(rows), abs=1e-15)


@pytest.mark.parametrize(("correct", "examples"), [(172, 304), (865, 1212), (1, 8), (290, 304)])
def test_the_interval_is_what_resampling_rows_gives(correct: int, examples: int) -> None:
    draw = random.Random(5)
    rows = [1] * correct + [0] * (examples - correct)
    means = sorted(sum(draw.choices(rows, k=examples)) / examples for _ in range(4000))
    low, high = bootstrap_interval(correct, examples)
    assert low == pytest.approx(means[99], abs=1.5 / examples + 0.003)
    assert high == pytest.approx(means[3899], abs=1.5 / examples + 0.003)


@given(st.integers(1, 3000), st.data())
def test_the_interval_holds_the_value(examples: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, examples))
    low, high = bootstrap_interval(correct, examples)
    assert 0 <= low <= correct / examples <= high <= 1


def test_what_is_left_out_far_below_the_mean_changes_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records hold intervals that were summed from the first count on."""
    cases = [(rows * share // 20, rows) for rows in (1, 59, 304, 1212, 2388) for share in range(21)]
    found = [bootstrap_interval(*case) for case in cases]
    monkeypatch.setattr(statistics, "DEVIATIONS", 1e9)
    assert found == [bootstrap_interval(*case) for case in cases]
    monkeypatch.setattr(statistics, "DEVIATIONS", 1)
    assert found != [bootstrap_interval(*case) for case in cases]


def test_a_single_row_has_numbers_too() -> None:
    summary = summarize(1, 1)
    assert summary.accuracy == 1.0
    assert summary.stderr == 0.0
    assert summary.interval == (1.0, 1.0)
