"""A card's tables are those that GitHub reads, of the form of all cards before."""

from __future__ import annotations

import random

from tabulate import tabulate

from harness.document.markdown_table import markdown_table


def test_tables_have_the_form_of_all_cards_so_far() -> None:
    chance = random.Random(2)
    for _ in range(300):
        head = [chance.choice(["", "a", "value", "x" * 12]) for _ in range(chance.randint(1, 6))]
        rows = [
            ["".join(chance.choices("ab1., %", k=chance.randint(0, 14))) for _ in head]
            for _ in range(chance.randint(1, 6))
        ]
        expected = tabulate(rows, headers=head, tablefmt="github", disable_numparse=True)
        assert markdown_table(rows, head) == expected


def test_a_wide_letter_is_one_letter_and_a_cell_is_one_line() -> None:
    assert markdown_table([["漢字 GPU", "a\nb"]], ["", "v"]) == (
        "|        | v   |\n|--------|-----|\n| 漢字 GPU | a b |"
    )
