"""Of several rows of scores one is taken only when it can be told from the others."""

from __future__ import annotations

import pytest

from harness.boards.board import load_board
from harness.claims.importing.readme.chosen_row import Hints, choose_row
from harness.claims.importing.readme.score_tables import table_rows

README = """
| Model | FPB | FiQA | TFNS |
|---|---|---|---|
| [Qwen/Qwen2.5-0.5B] | 71.12 | 60.53 | 69.01 |
| [HuggingFaceTB/SmolLM2-360M] | 66.01 | 56.58 | 64.11 |
| SmolLM2-360M (100 rounds) | 65.02 | 55.26 | 63.90 |
"""
MODEL = "HuggingFaceTB/SmolLM2-360M"
FIGURES = (("fpb", "0.66006600660066"), ("fiqa", "0.5657894736842105"), ("tfns", "0.6411222780"))


@pytest.mark.parametrize(
    ("hints", "chosen"),
    [
        (Hints(), None),
        (Hints(model="Qwen/Qwen2.5-0.5B"), "[Qwen/Qwen2.5-0.5B]"),
        (Hints(model=MODEL), None),
        (Hints(model=MODEL, fractions=FIGURES), "[HuggingFaceTB/SmolLM2-360M]"),
        (Hints(model="Qwen/Qwen2.5-0.5B", fractions=FIGURES), "[HuggingFaceTB/SmolLM2-360M]"),
        (Hints(run="peft_Qwen2.5-0.5B", fractions=FIGURES), "[Qwen/Qwen2.5-0.5B]"),
    ],
)
def test_the_surest_hint_that_fits_one_row_chooses_it(hints: Hints, chosen: str | None) -> None:
    rows = list(table_rows(README, load_board("finance")))
    assert len(rows) == 3
    unread: list[str] = []
    row = choose_row(rows, hints, "README.md", unread)
    assert (row.caption if row is not None else None) == chosen
    assert unread == ([] if row else ["README.md: 3 rows of scores; which one is not certain"])


@pytest.mark.parametrize(("figure", "agrees"), [("0.5657", True), ("0.5656", False)])
def test_a_row_agrees_with_its_files_within_its_last_decimal(figure: str, agrees: bool) -> None:
    """56.58 % is 0.01 from 56.57 and 0.02 from 56.56; a figure may have been cut, not rounded."""
    rows = list(table_rows(README, load_board("finance")))
    # Of three figures two have to agree.
    fractions = (FIGURES[0], ("fiqa", figure), ("tfns", "0.6409"))
    assert (choose_row(rows, Hints(fractions=fractions), "README.md", []) is not None) == agrees


SETS = "| Model | FPB | FiQA | TFNS |\n|---|---|---|---|\n"
WHOLE, PART = "| a | 68.23 | 60.86 | 67.50 |\n", "| b | 44.55 | nan | 28.77 |\n"


@pytest.mark.parametrize(
    ("table", "run", "chosen"),
    [
        (SETS + PART, None, "b"),
        (SETS + WHOLE + PART, None, "a"),
        (SETS + PART + WHOLE + PART.replace("nan", "-"), None, "a"),
        (SETS + WHOLE.replace("a", "longest") + PART.replace("b", "mine"), "peft_mine", "mine"),
        (SETS + "| b | nan | - | |\n", None, None),
    ],
)
def test_a_whole_row_goes_before_one_without_all_its_figures(
    table: str, run: str | None, chosen: str | None
) -> None:
    rows = list(table_rows(table, load_board("finance")))
    row = choose_row(rows, Hints(run=run), "README.md", [])
    assert (row.caption if row is not None else None) == chosen
