"""The official rows are built as upstream builds them, from the pinned files only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.finance.rows import make_row, sentence_of
from harness.boards.registry import protocol_of
from harness.document import canonical_json, sha256_text
from harness.errors import EvaluationError

CHALLENGE = load_challenge("finance")
PROTOCOL = protocol_of(CHALLENGE)
TASKS = ("fpb", "fiqa", "tfns")


pytest.importorskip("datasets")


def files(mirror: Path, task: str) -> list[Path]:
    item = CHALLENGE.evaluation_set(task)
    return [mirror / "datasets" / item.dataset / name for name in item.files]


@pytest.mark.parametrize("task", TASKS)
def test_the_rows_are_those_of_a_published_run(mirror: Path, golden: Path, task: str) -> None:
    published = golden / "ethicalabs-smollm2-360M" / f"generation_{task}_fl.jsonl"
    expected = [json.loads(line) for line in published.read_text().splitlines()]
    rows = PROTOCOL.rows(task, files(mirror, task)).rows
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
        PROTOCOL.rows("tfns", [altered])


def test_a_cut_data_file_is_refused(mirror: Path, tmp_path: Path) -> None:
    (source,) = files(mirror, "fpb")
    altered = tmp_path / source.name
    shutil.copyfile(source, altered)
    altered.write_bytes(altered.read_bytes()[:5_000])
    with pytest.raises(EvaluationError, match=r"train\.parquet: cannot be read"):
        PROTOCOL.rows("fpb", [altered])


def test_files_in_another_order_are_other_rows(mirror: Path) -> None:
    with pytest.raises(EvaluationError, match="row 0"):
        PROTOCOL.rows("fiqa", files(mirror, "fiqa")[::-1])


@pytest.mark.parametrize("task", TASKS)
def test_smoke_rows_are_prompted_for_like_real_ones(task: str) -> None:
    rows = PROTOCOL.smoke_rows(task).rows
    assert {row.target for row in rows} == {"negative", "neutral", "positive"}
    assert all(row.context.endswith("\nAnswer: ") for row in rows)


@pytest.mark.parametrize(
    ("purpose", "digest"),
    [
        ("training", "c3205455b05f03d5d1916e09c3260c5fbec1c8afde3ab3ec93ff91c98d23d236"),
        ("fpb", "1c8e298b8c08824ad5893e1f71cd5c9309932a706ce35c5e341459b189bae415"),
        ("fiqa", "18511fe3a73889562ac5a58fedbc61b202af5f0db120eabf0a50a5ea86e27efe"),
        ("tfns", "4565ed2c5d29d72816c96323742f3478eb2f5ad935ecd5350949da72f16338ed"),
    ],
)
def test_the_smoke_corpus_is_the_one_of_all_smoke_records(purpose: str, digest: str) -> None:
    """Their records hold its digest."""
    if purpose == "training":
        examples = [(row["input"], row["output"]) for row in PROTOCOL.smoke_training()]
    else:
        examples = list(PROTOCOL.smoke_rows(purpose).examples)
    assert sha256_text(canonical_json(examples)) == digest


def test_a_prompt_is_upstreams_to_the_byte() -> None:
    row = make_row(PROTOCOL.instruction, "Sales rose .", "positive", "tweet")
    assert row.context == (
        "Instruction: What is the sentiment of this tweet? Please choose an answer from"
        " {negative/neutral/positive}.\nInput: Sales rose .\nAnswer: "
    )
    assert sentence_of(row.context) == "Sales rose ."


def test_an_empty_sentence_leaves_its_line_out() -> None:
    assert make_row(PROTOCOL.instruction, "", "neutral", "news").context.endswith(
        "positive}.\nAnswer: "
    )
