"""Generations files are read strictly, and what is wrong is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.boards.published_files import parse_array, parse_lines
from harness.errors import EvaluationError, HarnessError

GOOD = {"context": "p", "new_target": "neutral", "new_out": "positive"}


def write(folder: Path, *lines: str) -> Path:
    path = folder / "generations.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "line 2: not JSON"),
        ('{"context": "p", "context": "q"}', "line 2: key 'context' occurs twice"),
        ("[1]", "line 2: a JSON list; expected an object"),
        ('{"context": "p", "new_target": "neutral"}', "line 2: no `new_out`"),
        ('{"context": 3, "new_target": "neutral", "new_out": "x"}', "line 2: `context` is 3"),
        ('{"context": "p", "new_target": "neutral", "new_out": NaN}', "line 2: NaN"),
        ('{"prompt": "p", "gold": "a", "output": "b"}', "line 2: has `prompt`"),
        ("[" * 100_000, "line 2: nested too deep"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    with pytest.raises(HarnessError, match=expected.replace("[", r"\[")):
        parse_lines(write(tmp_path, json.dumps(GOOD), line).read_text(), "here")


def test_an_empty_file_is_no_score(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no rows"):
        parse_lines(write(tmp_path, "").read_text(), "here")


def test_lines_are_not_taken_for_an_array(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"line 1: has `context`.*expected `prompt`"):
        parse_array(write(tmp_path, json.dumps(GOOD)).read_text(), "generations.jsonl")
