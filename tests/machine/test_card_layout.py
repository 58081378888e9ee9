"""Which cards are used, and how many clients are on each."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from harness.machine.card_layout import card_layout, layout_of


@pytest.mark.parametrize(
    ("fitting", "most", "cards", "on_each"),
    [
        ([1], 5, (0,), [1]),
        ([5], 5, (0,), [5]),
        ([1, 1, 1, 1], 5, (0, 1, 2, 3), [1, 1, 1, 1]),
        ([3, 3, 3, 3], 4, (0, 1, 2, 3), [1, 1, 1, 1]),  # spread before shared
        ([3, 3, 3, 3], 5, (0, 1, 2), [2, 2, 1]),
        ([2, 2, 2, 2], 50, (0, 1, 2, 3), [2, 2, 2, 2]),
        ([1, 3], 5, (1,), [3]),  # equal parts: one on each would be two
        ([0, 2], 5, (1,), [2]),  # a card that somebody else fills
        ([1, 0, 1], 5, (0, 2), [1, 1]),
        ([0, 0], 5, (0,), [1]),  # one tries, and says what it met
        ([4, 4], 1, (0,), [1]),
    ],
)
def test_most_clients_at_once_with_the_fewest_on_a_card(
    fitting: list[int], most: int, cards: tuple[int, ...], on_each: list[int]
) -> None:
    layout = card_layout(fitting, most)
    assert (layout.cards, layout.on_each()) == (cards, on_each)
    assert layout.processes == sum(on_each) <= most


@pytest.mark.parametrize("fitting", [[a, b, c] for a in range(4) for b in range(4) for c in (0, 2)])
def test_no_card_carries_more_than_fits(fitting: list[int]) -> None:
    layout = card_layout(fitting, 9)
    for card, count in zip(layout.cards, layout.on_each(), strict=True):
        assert count <= max(fitting[card], 1 if not any(fitting) else 0)


def test_a_number_that_is_asked_for_is_spread() -> None:
    assert layout_of(5, 4).on_each() == [2, 2, 1]
    assert layout_of(3, 4).on_each() == [1, 1, 1]
    assert layout_of(6, 1).on_each() == [6]
    assert layout_of(6, 1).share == 0.1666


def test_plan_says_the_layout_of_a_machine_that_is_described() -> None:
    from harness.cli.prepare.plan import command

    words = ["--plugin", "smollm2-dora", "--device", "cuda"]
    four = CliRunner().invoke(command, [*words, "--gpu-memory", "16GiB", "--gpus", "4"])
    assert "4 cards of 16 GiB" in four.output
    assert "card 0: 1, card 1: 1, card 2: 1, card 3: 1" in four.output
    large = CliRunner().invoke(command, [*words, "--gpu-memory", "80GiB", "--gpus", "2"])
    assert "card 0: 3, card 1: 2" in large.output
