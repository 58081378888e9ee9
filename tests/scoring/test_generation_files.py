"""Generations files are read strictly, and what is wrong is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.boards.protocols.choices import choice_of, gold_of
from harness.errors import EvaluationError, HarnessError
from harness.scoring.generation_files import read_answers, read_choices
from harness.scoring.rescore import rescore

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
        read_answers(write(tmp_path, json.dumps(GOOD), line))


def test_an_empty_file_is_no_score(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no rows"):
        read_answers(write(tmp_path, ""))


def test_a_text_that_reads_otherwise_than_its_label_is_refused(tmp_path: Path) -> None:
    from harness.boards.challenge import load_challenge
    from harness.scoring.rescore import score_answers

    path = write(tmp_path, json.dumps(GOOD | {"output": "negative"}))
    with pytest.raises(EvaluationError, match="line 1: new_out is 'positive', its text reads 'neg"):
        score_answers(load_challenge("finance"), "fpb", read_answers(path), path)


def test_an_unknown_label_is_refused(tmp_path: Path) -> None:
    from harness.boards.challenge import load_challenge
    from harness.scoring.rescore import score_answers

    path = write(tmp_path, json.dumps(GOOD | {"new_out": "bullish"}))
    with pytest.raises(EvaluationError, match="line 1: new_out is 'bullish'"):
        score_answers(load_challenge("finance"), "fpb", read_answers(path), path)


@pytest.mark.parametrize(
    ("output", "boolean", "choice"),
    [
        ("A", False, ("a", True)),
        ("(b) because", False, ("b", True)),
        ("**C**", False, ("c", True)),
        ("z", False, ("z", False)),
        ("", False, ("", False)),
        ("Text\n## D\nmore", False, ("d", True)),
        ("Yes", True, ("yes", True)),
        ("yesno", True, ("yes", True)),
        ("no.", True, ("no", True)),
        ("maybe", True, ("maybe", False)),
    ],
)
def test_a_choice_is_read_as_upstream_reads_it(
    output: str, boolean: bool, choice: tuple[str, bool]
) -> None:
    assert choice_of(output, boolean) == choice


def test_a_worked_answer_is_cut_out_of_the_gold_text() -> None:
    assert gold_of("So the answer is: B ### end") == "b"


def test_arrays_with_subsets_are_scored_by_subset(tmp_path: Path) -> None:
    path = tmp_path / "generation_mmlu_stem_fl.jsonl"
    rows = [
        {"prompt": "1", "gold": "A", "output": "A", "subset": "anatomy"},
        {"prompt": "2", "gold": "B", "output": "A", "subset": "anatomy"},
        {"prompt": "3", "gold": "C", "output": "c.", "subset": "astronomy"},
    ]
    path.write_text(json.dumps(rows))
    result = rescore("mmlu_stem", path)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["subsets"] == {"anatomy": 0.5, "astronomy": 1.0}
    assert result["invalid_rate"] == 0.0


def test_a_finance_file_is_not_scored_as_multiple_choice(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="row 1: has `context`: a finance file"):
        read_choices(write(tmp_path, json.dumps(GOOD)))
