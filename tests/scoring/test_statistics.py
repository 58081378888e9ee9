"""Our plain-Python statistics are those of the reference packages."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scoring.statistics import (
    bootstrap_interval,
    macro_f1,
    matthews,
    references,
    standard_error,
    summarize,
)

LABELS = ["negative", "neutral", "positive"]
PAIRS = st.lists(
    st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=40
)


@settings(deadline=None)  # the first example imports scikit-learn
@given(PAIRS)
def test_macro_f1_and_mcc_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    gold, predicted = (list(side) for side in zip(*pairs, strict=True))
    expected = metrics.f1_score(gold, predicted, average="macro", zero_division=0)
    assert macro_f1(gold, predicted) == pytest.approx(expected)
    if len(set(gold) | set(predicted)) > 1:
        assert matthews(gold, predicted) == pytest.approx(
            metrics.matthews_corrcoef(gold, predicted)
        )


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


def test_references_are_what_needs_no_model() -> None:
    gold = ["neutral"] * 6 + ["positive"] * 3 + ["negative"]
    assert references(gold, "neutral", "positive") == {
        "empty_answer": 0.6,
        "best_constant": 0.6,
        "majority": 0.3,
    }


def test_a_single_row_has_numbers_too() -> None:
    summary = summarize(["positive"], ["positive"])
    assert summary.accuracy == 1.0
    assert summary.stderr == 0.0
    assert summary.interval == (1.0, 1.0)
    assert math.isfinite(summary.mcc)
