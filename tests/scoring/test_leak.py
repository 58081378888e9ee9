"""Evaluation rows that were trained on are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of
from harness.scoring.leak import count_leak

A, B, C = ("a", "positive"), ("b", "neutral"), ("c", "negative")


def test_a_trained_sentence_leaks_whatever_its_label() -> None:
    leak = count_leak([("a", "negative"), C], [A, B], [A, B])
    assert leak.clean == (False, True)
    assert leak.text_rows == 1
    assert leak.certain_rows == 0


def test_copies_outside_the_evaluation_rows_may_be_the_trained_ones() -> None:
    assert count_leak([A, C], [A, A, B, C], [A, B]).certain_rows == 0
    assert count_leak([A, A, C], [A, A, B, C], [A, B]).certain_rows == 1


def test_a_training_file_that_repeats_its_rows_counts_them_once() -> None:
    assert count_leak([A, C] * 21, [A, A, C], [A]).certain_rows == 0
    assert count_leak([A, A, C] * 21, [A, A, C], [A]).certain_rows == 1


def test_no_more_rows_leak_than_there_are() -> None:
    assert count_leak([A] * 9 + [B] * 2, [A, B], [A, B]).certain_rows == 2


@pytest.mark.parametrize(
    ("task", "certain", "by_text"), [("fpb", 0, 5), ("fiqa", 29, 65), ("tfns", 0, 0)]
)
def test_the_real_sets_leak_as_documented(
    mirror: Path, task: str, certain: int, by_text: int
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    challenge = load_challenge("finance")
    item = challenge.evaluation_set(task)
    folder = mirror / "datasets" / item.dataset
    official = protocol_of(challenge).rows(task, [folder / each for each in item.files])
    table = parquet.read_table(mirror / "datasets" / challenge.dataset.name / "train.parquet")
    training = zip(table["input"].to_pylist(), table["output"].to_pylist(), strict=True)
    leak = count_leak(training, official.source, official.examples)
    assert (leak.certain_rows, leak.text_rows) == (certain, by_text)
    assert leak.clean.count(True) == item.rows - by_text


def test_clean_and_leaked_rows_are_told_apart_and_counted() -> None:
    leak = count_leak([A], [A, B, C], [A, B, C])
    assert leak.clean == (False, True, True)
    assert leak.text_rows == 1
