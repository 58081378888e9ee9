"""A run and its own submission have the same answers, though one leaves the prompts out."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="needs the extra [run]")

from test_submit import _exercises_are_filed, filing, smoke_run

from harness.reproduce.answers import other_answers
from harness.reproduce.original import read_original
from harness.submissions.submit import submit

__all__ = ["_exercises_are_filed"]


@filing
def test_a_run_and_its_submission_agree_and_with_one_answer_changed_they_do_not(
    tmp_path: Path,
) -> None:
    run = smoke_run(tmp_path / "run")
    filed = submit(run, tmp_path / "submissions")
    original, submission = read_original(run), read_original(filed)
    assert original.record.scores[0].generations_sha256 not in (  # type: ignore[union-attr]
        item.generations_sha256
        for item in submission.record.scores  # type: ignore[union-attr]
    )
    assert other_answers(original, submission) == []
    assert other_answers(submission, original) == []
    other = read_original(smoke_run(tmp_path / "other", outputs={0: " nothing"}))
    assert [line.partition(":")[0] for line in other_answers(other, submission)] == [
        "fpb, accuracy"
    ]


@filing
def test_answers_that_are_gone_are_not_taken_for_the_same(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    filed = read_original(submit(run, tmp_path / "submissions"))
    (run / "generations" / "fpb.jsonl").unlink()
    assert other_answers(read_original(run), filed)
