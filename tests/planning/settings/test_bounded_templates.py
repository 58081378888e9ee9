"""What a recipe does to a row takes time and memory linear in the row, whatever is written."""

from __future__ import annotations

import re
import time

import pytest

from harness.planning.settings.templates import (
    MAX_PATTERN,
    MAX_REPEATS,
    data_faults,
    fault_of_pattern,
    prompt_faults,
)
from harness.recipe import DataSpec, Prompt, RowFilter

KEPT = (
    "positive", "^Judge", "^neutral$", "^strong|^mild", "^.*negative.*$".replace(".*$", "$"),
    "^strong.*positive$|neutral", r"\bup\b", r"[0-9]{1,3} %", r"\d{4}", "colou?r", "[(a|b)+]",
    r"a\(b\)", "",
)  # fmt: skip
REFUSED = {
    "(a|a)+$": "a group", "(?:a)b": "a group", "(?i)x": "a group", "a*b": "without a ^",
    "x|a+b": "without a ^", "^a*b*$": "two repetitions", "a?a?": "two repetitions",
    "a{2,}": "without a ^", "(": "missing ), unterminated", "a{1,101}": "101 repetitions",
    "a{101}": "101 repetitions",
}  # fmt: skip


@pytest.mark.parametrize("pattern", KEPT)
def test_a_plain_pattern_is_kept_and_takes_linear_time(pattern: str) -> None:
    assert fault_of_pattern(pattern) is None
    begin = time.process_time()
    for letter in ("a", "0", " ", "strong"):
        re.search(pattern, letter * 20_000)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_that_may_double_with_every_letter_is_refused(pattern: str) -> None:
    assert REFUSED[pattern] in str(fault_of_pattern(pattern))
    spec = DataSpec(filters=(RowFilter(column="input", pattern=pattern),))
    [(found, expected)] = data_faults(spec)
    assert pattern in found
    assert "alternatives without groups" in expected


def test_a_pattern_has_a_thousand_characters_and_a_hundred_repetitions_at_most() -> None:
    assert fault_of_pattern("a" * MAX_PATTERN) is None
    assert fault_of_pattern("a" * (MAX_PATTERN + 1)) == f"{MAX_PATTERN + 1} characters"
    assert fault_of_pattern(f"a{{{MAX_REPEATS}}}") is None
    assert fault_of_pattern(f"^a{{{MAX_REPEATS + 1}}}") == f"{MAX_REPEATS + 1} repetitions"


@pytest.mark.parametrize(
    "template",
    ["{input:>3000000000}", "{input:{output}}", "{input!r}", "{input:d}", "{input:.99999}"],
)
def test_a_field_of_a_template_is_a_column_or_its_beginning(template: str) -> None:
    """A width of 3,000,000,000 would be three thousand million spaces."""
    for faults in (
        data_faults(DataSpec(input=template)),
        prompt_faults(Prompt(template=f"{template}### Response:{{output}}")),
        prompt_faults(Prompt(style="chat", user=template)),
    ):
        [(found, _)] = faults
        assert "holds {input" in found
    assert list(data_faults(DataSpec(input="{input:.500} {{x}}"))) == []
