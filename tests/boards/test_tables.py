"""Rows of a set's file that are no rows of the set are named, whichever board reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of
from harness.errors import EvaluationError

MMLU = {"input": "Which?", "A": "a", "B": "b", "C": "c", "D": "d", "target": "A"}
MEDQA = {"question": "Which?", "options": [{"key": "A", "value": "a"}], "answer": "a"}
MBPP = {"text": "Add.", "test_list": ["assert True"], "code": "pass", "task_id": 11}


@pytest.mark.parametrize(
    ("board", "task", "row", "wrong"),
    [
        ("general-nlp", "mmlu_stem", MMLU, {"target": 0}),
        ("general-nlp", "mmlu_stem", MMLU, {"input": None}),
        ("medical", "medqa", MEDQA, {"options": None}),
        ("code", "mbpp", MBPP, {"test_list": []}),
    ],
)
def test_a_row_that_is_none_of_the_set_is_named_with_its_file(
    board: str, task: str, row: dict[str, Any], wrong: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "test.json"
    file.write_text(json.dumps([row | wrong]))
    with pytest.raises(EvaluationError, match=rf"test\.json: row 0: no \w+ of {task} .*fetch"):
        protocol_of(load_challenge(board)).rows(task, [file])
