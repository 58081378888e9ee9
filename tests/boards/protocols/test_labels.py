"""Labels are read off texts as upstream reads them, and are decided when nothing can change."""

from __future__ import annotations

import pytest

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of

PROTOCOL = protocol_of(load_challenge("finance"))


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
    assert PROTOCOL.read("fpb", answer, label).answer == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Input: a\nAnswer: positive", "positive"),
        ("Input: a\nAnswer: negative\nAnswer: positive", "negative"),
        ("Input: The Answer: negative\nAnswer: positive", "negative"),
        ("Input: a\nAnswer:", "neutral"),
    ],
)
def test_the_answer_stands_between_the_first_two_markers(text: str, label: str) -> None:
    output = PROTOCOL.output_of("", text, "")
    assert PROTOCOL.read("fpb", output, label).correct


@pytest.mark.parametrize("text", ["", "negative", "neutral", "Answer:", "Answer: "])
def test_a_text_that_may_still_turn_positive_is_not_decided(text: str) -> None:
    assert not PROTOCOL.settled("fpb", "Input: a\nAnswer: " + text)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("Neutral", True), ("it is neutral", True), ("positive", True), ("good", False), ("", False)],
)
def test_an_answer_without_any_label_word_is_told_apart(answer: str, expected: bool) -> None:
    assert PROTOCOL.read("fpb", answer, "").valid is expected


def test_the_space_before_a_label_is_the_label_s_own() -> None:
    """So that " negative" is weighed as whole tokens; nothing else of the prompt is changed."""
    for row in PROTOCOL.smoke_rows("fpb").rows:
        assert PROTOCOL.question(row.context) + " " == row.context


def test_a_question_lacks_the_space_that_belongs_to_the_label() -> None:
    """So that " negative" is whole tokens; the second measure weighs those."""
    assert PROTOCOL.question("Instruction: x\nAnswer: ") == "Instruction: x\nAnswer:"
    assert PROTOCOL.question("Answer: Answer: ") == "Answer: Answer:"


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("Input: a\nAnswer: negative\nAnswer: x", True), ("Input: a\nAnswer: negative", False),
        ("Input: a\nAnswer: negative\nAnswer: ", False), ("Input: a", False), ("", False),
        ("Input: a\nAnswer: so positive", True), ("Input: positive\nAnswer: so", False),
        ("Input: a\nAnswer: Answer: Answer: x", True),
    ],
)  # fmt: skip
def test_a_text_is_settled_by_the_first_label_or_a_closed_answer(text: str, settled: bool) -> None:
    assert PROTOCOL.settled("fpb", text) is settled
