"""`harness evaluate`: what it prints, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.execute.evaluate import as_text
from harness.machine import versions
from harness.record.score import Leak, Score, Scores

OFFICIAL = Score(
    task="fiqa",
    metric="accuracy",
    value=0.75,
    correct=228,
    examples=304,
    stderr=0.0249,
    interval=(0.7, 0.8),
    macro_f1=0.61,
    mcc=0.4321,
    invalid_rate=0.125,
    leak=Leak(exact_rows=29, text_rows=65, clean_value=0.7, clean_examples=239),
    references={"empty_answer": 0.0789, "best_constant": 0.5954, "majority": 0.5954},
    protocol="flowertune-finance-generate/1",
    generations_sha256="0" * 64,
)


def test_every_number_stands_in_the_table_in_percent() -> None:
    second = OFFICIAL.with_values(metric="loglikelihood_accuracy", invalid_rate=None, leak=None)
    scores = Scores(
        scores=(OFFICIAL, second),
        model_sha256="1" * 64,
        adapter_sha256="2" * 64,
        packages={},
        duration_s=1.0,
    )
    text = as_text(scores).splitlines()
    first, other, beside = text[2], text[3], text[7]
    for part in ("official", "75.00", "70.00 to 80.00", "61.00", "0.432"):
        assert part in first
    for part in ("12.50", "7.89", "29/65", "70.00"):
        assert part in beside
    assert other.startswith("log-lik.")
    assert max(map(len, text)) <= 80
    for heading in ("95 % interval", "MCC", "none", "leaked", "clean %", "log-lik."):
        assert heading in " ".join(text[9:]), f"{heading} is not explained"


def test_programs_have_no_labels_and_nothing_is_said_of_any() -> None:
    program = OFFICIAL.with_values(
        macro_f1=None, mcc=None, invalid_rate=None, leak=None,
        references={"empty_answer": 0.0, "best_constant": 0.0},
    )  # fmt: skip
    text = as_text(
        Scores(
            scores=(program,),
            model_sha256="1" * 64,
            adapter_sha256="2" * 64,
            packages={},
            duration_s=1.0,
        )
    )
    for absent in ("macro-F1", "MCC", "label", "leaked", "clean %", "majority"):
        assert absent not in text
    assert "empty, best const.: what needs no model" in text


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return int(str(caught.value.code)), text


def test_without_the_run_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(versions, "find_spec", lambda name: None if name == "lm_eval" else name)
    code, text = refusal(capsys, "evaluate", str(tmp_path))
    assert code == 3
    assert "pip install 'flowertune-harness[run]'" in text


def test_a_folder_that_is_no_run_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lm_eval")
    code, text = refusal(capsys, "evaluate", str(tmp_path))
    assert code == 8
    assert "no spec.json; give the directory of a run" in text
    assert text.count("\n") == 1
