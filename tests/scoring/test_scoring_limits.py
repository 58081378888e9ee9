"""Levels and limits of scoring, from both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.boards.published_files import parse_array, parse_lines
from harness.errors import HarnessError
from harness.scoring.statistics import bootstrap_interval, standard_error


def test_the_interval_leaves_out_a_fortieth_at_each_end() -> None:
    """Of 59 rows, 29 right: 94.9 % would end at 36, and 95.1 % would begin at 21."""
    assert bootstrap_interval(29, 59) == (22 / 59, 37 / 59)
    assert bootstrap_interval(50, 100) == (0.40, 0.60)


def test_a_row_alone_has_no_standard_error_and_two_have_one() -> None:
    assert standard_error(1, 1) == 0.0
    assert standard_error(1, 2) == 0.5


def test_100_000_rows_are_read_and_one_more_is_not(tmp_path: Path) -> None:
    line = json.dumps({"context": "p", "new_target": "neutral", "new_out": "neutral"}) + "\n"
    path = tmp_path / "generations.jsonl"
    path.write_text(line * 100_000)
    assert len(parse_lines(path.read_text(), str(path))) == 100_000
    path.write_text(line * 100_001)
    with pytest.raises(HarnessError, match="100,000"):
        parse_lines(path.read_text(), str(path))
    item = {"prompt": "p", "gold": "a", "output": "a"}
    path.write_text(json.dumps([item] * 100_000))
    assert len(parse_array(path.read_text(), str(path))) == 100_000
    path.write_text(json.dumps([item] * 100_001))
    with pytest.raises(HarnessError, match="100,000"):
        parse_array(path.read_text(), str(path))
