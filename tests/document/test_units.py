"""Counts as people read them."""

from __future__ import annotations

import pytest

from harness.document.units import how_many
from harness.verify.report import Finding, Report


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2_388, "2,388 rows")]
)
def test_a_count_says_one_of_what_there_is_one_of(number: int, said: str) -> None:
    assert how_many(number, "row") == said


def test_a_word_may_have_a_plural_of_its_own() -> None:
    assert [how_many(n, "entry", plural="entries") for n in (1, 2)] == ["1 entry", "2 entries"]


def test_verify_counts_its_findings() -> None:
    one = Finding(rule="place", severity="error", path="a", found="b", expected="c")
    assert Report.of(["a"], [one]).lines()[-1] == "1 checked, 1 finding: found wanting"
    assert Report.of(["a"], []).lines()[-1] == "1 checked, 0 findings: clean"
