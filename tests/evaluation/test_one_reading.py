"""Where an answer is one token, text and log-likelihoods come of one reading of a prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_run import EVALUATION_KEY

from harness.boards.board import load_board
from harness.boards.challenge import load_challenge
from harness.document import pretty_json, read_json, write_atomic
from harness.evaluation.engine import Engine
from harness.evaluation.evaluated_run import read_run
from harness.evaluation.journal import Journal
from harness.evaluation.lm_eval_bridge.lm import JournaledLM
from harness.evaluation.session import evaluate
from harness.spec import ChallengeRef

BOARD = "medical"
ROWS = 8
"""Synthetic rows per set."""


@pytest.fixture
def choices(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a board whose answers are choices; the tiny model has no end token of its own."""
    monkeypatch.setattr(Engine, "_stop_ids", lambda self: frozenset({self.base.eos_id}))
    spec = read_json(run_dir / "spec.json")
    spec["challenge"] = ChallengeRef.of(load_challenge(BOARD)).model_dump(mode="json")
    write_atomic(run_dir / "spec.json", pretty_json(spec))
    return run_dir


def written(folder: Path) -> dict[str, bytes]:
    """Evaluate, and return the generations files."""
    evaluate(read_run(folder, None, untrained=False), EVALUATION_KEY, quiet=True)
    files = {path.name: path.read_bytes() for path in (folder / "generations").glob("*.jsonl")}
    (folder / "generations").rename(folder / f"generations-{len(list(folder.iterdir()))}")
    return files


def test_one_reading_gives_what_two_give(choices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    both: Callable[..., Any] = Engine.both
    monkeypatch.setattr(
        Engine, "both", lambda self, *given: read.append(len(given[2])) or both(self, *given)
    )
    once = written(choices)
    tasks = load_board(BOARD).rows
    assert {name for name in once if "log" not in name} == {f"{task}.jsonl" for task in tasks}
    assert len(once) == 2 * len(tasks)
    # "yes" and "no" are more than one token of the tiny tokenizer; letters are one.
    assert read == [ROWS * (len(tasks) - 1)]
    monkeypatch.setattr(JournaledLM, "_read_once", lambda *_: None)
    assert written(choices) == once
    for task in tasks:
        rows = [json.loads(line) for line in once[f"{task}.loglikelihood.jsonl"].splitlines()]
        for row in rows:
            best = max(range(len(row["labels"])), key=lambda place: row["loglikelihoods"][place])
            assert row["new_out"] == row["labels"][best]
            assert row["new_target"] in row["labels"]


def test_a_stop_changes_no_byte(choices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two lines of a row, in the middle of a unit."""
    monkeypatch.setattr("harness.evaluation.decoder.loglikelihood.UNIT_ROWS", 5)
    undisturbed, real, left = written(choices), Journal.append, 13

    def append(self: Journal, row: int, value: dict[str, object]) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(self, row, value)

    monkeypatch.setattr(Journal, "append", append)
    with pytest.raises(KeyboardInterrupt):
        evaluate(read_run(choices, None, untrained=False), EVALUATION_KEY, quiet=True)
    monkeypatch.setattr(Journal, "append", real)
    assert written(choices) == undisturbed
