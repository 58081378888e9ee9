"""A guess is what followed the last time, and a row's record of right guesses costs nothing."""

from __future__ import annotations

import pytest

from harness.evaluation.decoder.guess_copying import Copying


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([1, 2, 3, 9, 1, 2, 3], [9, 1, 2, 3, 9]),
        ([7, 5, 6, 5, 6], [5, 6, 5, 6, 5]),
        ([4, 4, 4, 4], [4, 4, 4, 4, 4]),
        ([1, 2, 3, 4], []),
        ([1], []),
    ],
)
def test_a_guess_is_what_followed_the_last_time(history: list[int], expected: list[int]) -> None:
    assert Copying(history).guess(5) == expected


def test_a_row_that_repeats_itself_is_known_by_its_record() -> None:
    copying = Copying([1, 2, 3])
    for token in (7, 8, 9, 7, 8):
        copying.write(token)
    assert copying.streak == 0
    for token in (9, 7, 8):
        copying.write(token)
    assert copying.streak == 3
    copying.write(1)
    assert copying.streak == 0


def test_what_stands_in_the_prompt_is_no_record() -> None:
    assert Copying([1, 2, 1, 2, 1, 2, 1, 2]).streak == 0
