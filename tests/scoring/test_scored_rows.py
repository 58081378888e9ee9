"""A generations file is scored by what its texts say, and an edited row is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.registry import board_of_task, protocol_of, reader_of
from harness.errors import EvaluationError, UsageError
from harness.scoring.rescore import rescore, score_rows

PROTOCOL = protocol_of(load_challenge("finance"))
GOOD = {"context": "p", "new_target": "neutral", "new_out": "positive"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"output": "negative"}, "line 1: its answer is 'positive', its text reads 'negative'"),
        ({"new_out": "bullish"}, "line 1: its answer is 'bullish'; expected negative"),
        ({"new_target": "up"}, "line 1: its right answer is 'up'; expected negative"),
    ],
)
def test_an_edited_row_is_refused(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    path = tmp_path / "generations.jsonl"
    path.write_text(json.dumps(GOOD | changes) + "\n")
    with pytest.raises(EvaluationError, match=expected):
        score_rows(PROTOCOL, "fpb", PROTOCOL.published(path.read_text(), str(path)), path)


def test_what_holds_no_answer_is_counted_where_all_texts_are_there(tmp_path: Path) -> None:
    path = tmp_path / "generations.jsonl"
    rows = [GOOD | {"output": "positive"}, GOOD | {"new_out": "neutral", "output": "well"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (
        score_rows(PROTOCOL, "fpb", PROTOCOL.published(path.read_text(), str(path)), path)[
            "invalid_rate"
        ]
        == 0.5
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, GOOD]))
    assert (
        score_rows(PROTOCOL, "fpb", PROTOCOL.published(path.read_text(), str(path)), path)[
            "invalid_rate"
        ]
        is None
    )


def test_an_unknown_task_is_named_with_a_close_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no task 'fpd'; did you mean \"fpb\""):
        rescore("fpd", tmp_path / "none.jsonl")


def test_programs_are_not_scored_without_running_them(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="scored by executing them: add --execute"):
        rescore("humaneval", tmp_path / "none.json")


def test_arrays_with_subsets_are_scored_by_subset(tmp_path: Path) -> None:
    path = tmp_path / "generation_mmlu_stem_fl.jsonl"
    rows = [
        {"prompt": "1", "gold": "A", "output": "A", "subset": "anatomy"},
        {"prompt": "2", "gold": "B", "output": "A", "subset": "anatomy"},
        {"prompt": "3", "gold": "C", "output": "c.", "subset": "astronomy"},
    ]
    path.write_text(json.dumps(rows))
    reader = reader_of(board_of_task("mmlu_stem").id)
    result = score_rows(reader, "mmlu_stem", reader.published(path.read_text(), str(path)), path)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["subsets"] == {"anatomy": 0.5, "astronomy": 1.0}
    assert result["invalid_rate"] == 0.0
