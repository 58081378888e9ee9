"""What one row of the sets' files is: sentence, label and tag. Without pandas."""

from __future__ import annotations

from typing import Any

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.finance import rows

CHALLENGE = load_challenge("finance")


def cells(task: str, **values: Any) -> tuple[str, str, str]:
    return rows._cells(CHALLENGE.evaluation_set(task), values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (-1.0, "negative"), (-0.100001, "negative"), (-0.1, "neutral"), (0.0, "neutral"),
        (0.099999, "neutral"), (0.1, "positive"), (1.0, "positive"),
    ],
)  # fmt: skip
def test_a_score_of_fiqa_becomes_a_label(score: float, label: str) -> None:
    found = cells("fiqa", sentence="x", sentiment_score=score, format="headline")
    assert found == ("x", label, "news")


def test_a_post_is_a_tweet_and_everything_else_news() -> None:
    assert cells("fiqa", sentence="x", sentiment_score="0.5", format="post")[2] == "tweet"
    assert cells("fpb", sentence="x", label=0)[2] == "news"
    assert cells("tfns", text="x", label=0)[2] == "tweet"


@pytest.mark.parametrize(
    ("task", "labels"),
    [("fpb", ["negative", "neutral", "positive"]), ("tfns", ["negative", "positive", "neutral"])],
)
def test_a_class_is_a_label_by_the_set_s_own_order(task: str, labels: list[str]) -> None:
    column = "text" if task == "tfns" else "sentence"
    assert [cells(task, **{column: "x", "label": n})[1] for n in range(3)] == labels


def test_an_empty_sentence_leaves_its_line_out() -> None:
    full = rows.make_row("About this {tag}.", "A sentence.", "neutral", "news")
    empty = rows.make_row("About this {tag}.", "", "neutral", "tweet")
    asked = "Instruction: About this news.\nInput: A sentence.\nAnswer: "
    assert (full.context, full.target) == (asked, "neutral")
    assert empty.context == "Instruction: About this tweet.\nAnswer: "
    assert rows.sentence_of(full.context) == "A sentence."
    twice = rows.make_row("x", "a\nInput: b\nAnswer: c", "neutral", "news")
    assert rows.sentence_of(twice.context) == "a\nInput: b\nAnswer: c"
    assert rows.sentence_of(empty.context) == ""
