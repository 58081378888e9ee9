"""Labels are read off texts as upstream reads them, and are decided when nothing can change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.boards.protocols.labels import answer_of, has_label_word, is_decided, label_of

MARKER = "Answer: "
LABELS = ("negative", "neutral", "positive")
PIECES = st.sampled_from(
    [
        "positive",
        "Positive",
        "negative",
        "Negative",
        "neutral",
        "Answer: ",
        "Answer:",
        " ",
        "\n",
        "x",
    ]
)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        ("a mildly Positive tone", "positive"),
        ("negative, not positive", "positive"),
        ("negative", "negative"),
        ("Negative.", "negative"),
        ("NEGATIVE", "neutral"),
        ("POSITIVE", "neutral"),
        ("neutral", "neutral"),
        ("", "neutral"),
        ("nonpositive", "positive"),
    ],
)
def test_a_label_word_counts_wherever_it_stands(answer: str, label: str) -> None:
    assert label_of(answer) == label


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Input: a\nAnswer: positive", "positive"),
        ("Input: a\nAnswer: negative\nAnswer: positive", "negative\n"),
        ("Input: The Answer: buy\nAnswer: positive", "buy\n"),
        ("Input: a\nAnswer:", "None"),
    ],
)
def test_the_answer_stands_between_the_first_two_markers(text: str, answer: str) -> None:
    assert answer_of(text, MARKER) == answer


@given(st.lists(PIECES, max_size=8), st.lists(PIECES, max_size=8))
def test_no_continuation_changes_a_decided_label(first: list[str], then: list[str]) -> None:
    text = "Input: a\nAnswer: " + "".join(first)
    if is_decided(text, MARKER):
        assert label_of(answer_of(text + "".join(then), MARKER)) == label_of(
            answer_of(text, MARKER)
        )


@pytest.mark.parametrize("text", ["", "negative", "neutral", "Answer:", "Answer: "])
def test_a_text_that_may_still_turn_positive_is_not_decided(text: str) -> None:
    assert not is_decided("Input: a\nAnswer: " + text, MARKER)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("Neutral", True), ("it is neutral", True), ("positive", True), ("good", False), ("", False)],
)
def test_an_answer_without_any_label_word_is_told_apart(answer: str, expected: bool) -> None:
    assert has_label_word(answer, LABELS) is expected
