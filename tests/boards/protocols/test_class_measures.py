"""Measures of classes, written in plain Python, are those of the reference package."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.boards.protocols.class_measures import class_measures

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
    found = class_measures(Counter(pairs))
    assert found["macro_f1"] == pytest.approx(expected)
    if len(set(gold) | set(predicted)) > 1:
        assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(gold, predicted))


def test_answers_of_one_class_have_a_finite_correlation() -> None:
    assert class_measures({("positive", "positive"): 1}) == {"macro_f1": 1.0, "mcc": 0.0}
