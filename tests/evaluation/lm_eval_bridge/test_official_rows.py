"""The official rows are built as upstream builds them, from the pinned files only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.errors import EvaluationError
from harness.evaluation.lm_eval_bridge.lm_tasks import dataset, official_accuracy
from harness.evaluation.lm_eval_bridge.official_rows import load_official, load_smoke

CHALLENGE = load_challenge("finance")
TASKS = ("fpb", "fiqa", "tfns")


def files(mirror: Path, task: str) -> list[Path]:
    item = CHALLENGE.evaluation_set(task)
    return [mirror / "datasets" / item.dataset / name for name in item.files]


@pytest.mark.parametrize("task", TASKS)
def test_the_rows_are_those_of_a_published_run(mirror: Path, golden: Path, task: str) -> None:
    published = golden / "ethicalabs-smollm2-360M" / f"generation_{task}_fl.jsonl"
    expected = [json.loads(line) for line in published.read_text().splitlines()]
    rows = load_official(CHALLENGE, task, files(mirror, task)).rows
    assert [(row.context, row.target) for row in rows] == [
        (row["context"], row["new_target"]) for row in expected
    ]


def test_an_edited_data_file_is_refused_and_the_row_named(mirror: Path, tmp_path: Path) -> None:
    (source,) = files(mirror, "tfns")
    text = source.read_text(encoding="utf-8")
    place = text.index(",", 3_000)
    altered = tmp_path / source.name
    altered.write_text(text[:place] + "x" + text[place:], encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"sent_valid\.csv: row \d+: its prompt differs"):
        load_official(CHALLENGE, "tfns", [altered])


def test_a_cut_data_file_is_refused(mirror: Path, tmp_path: Path) -> None:
    (source,) = files(mirror, "fpb")
    altered = tmp_path / source.name
    shutil.copyfile(source, altered)
    altered.write_bytes(altered.read_bytes()[:5_000])
    with pytest.raises(EvaluationError, match=r"train\.parquet: cannot be read"):
        load_official(CHALLENGE, "fpb", [altered])


def test_files_in_another_order_are_other_rows(mirror: Path) -> None:
    with pytest.raises(EvaluationError, match="row 0"):
        load_official(CHALLENGE, "fiqa", files(mirror, "fiqa")[::-1])


@pytest.mark.parametrize("task", TASKS)
def test_smoke_rows_are_prompted_for_like_real_ones(task: str) -> None:
    rows = load_smoke(CHALLENGE, task).rows
    assert {row.target for row in rows} == {"negative", "neutral", "positive"}
    assert all(row.context.endswith("\nAnswer: ") for row in rows)
    docs = dataset(task, smoke=True)["test"]
    assert [doc["context"] for doc in docs] == [row.context for row in rows]
    assert all(doc["question"] + " " == doc["context"] for doc in docs)


def test_lm_eval_reads_a_text_as_upstream_does() -> None:
    doc = {"target": "negative"}
    assert official_accuracy(doc, ["negative\nAnswer: positive"]) == {"acc": 1.0}
    assert official_accuracy(doc, ["negative, then positive"]) == {"acc": 0.0}
