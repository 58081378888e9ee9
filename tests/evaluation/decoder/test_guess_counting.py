"""A text that counts is continued by its count, wherever in an item it ends; no other text is."""

from __future__ import annotations

import pytest

from harness.evaluation.decoder.guess_counting import count_on

COUNT = "so: " + " ".join(f"{number}." for number in range(1, 40))
LIST = "".join(f"- {number}. {number}-EU regulator: fine.\n" for number in range(7, 30))


@pytest.mark.parametrize("whole", [COUNT, LIST, "at " + ", ".join(map(str, range(90, 118)))])
def test_a_count_goes_on_from_any_place(whole: str) -> None:
    half = len(whole) // 2
    for end in range(half, half + 20):
        ahead = count_on(whole[:end], 12)
        assert len(ahead) >= 12
        assert (whole[:end] + ahead[:12]) == whole[: end + 12]


@pytest.mark.parametrize(
    "text",
    ["", "12", "1 2", "no number", "3. 3. 3. 3. 3.", "200, 100, 50, 25", "1. 2, 3. 4, 5; 6", "1,"],
)
def test_a_text_that_does_not_count_is_left_alone(text: str) -> None:
    assert count_on(text, 10) == ""
