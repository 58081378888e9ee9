"""A row keeps the guesses that greedy decoding writes, and never writes past its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.evaluation.decoder.guess_copying import Copying
from harness.evaluation.decoder.prompts import RowPlan
from harness.evaluation.decoder.row_state import ActiveRow, Rules

EOS = 0
RULES = Rules(pad_id=9, eos_ids=frozenset({EOS}), decided=lambda plan, ids: False)


@pytest.fixture(autouse=True)
def _guess_fives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Copying, "guess", lambda self, count: [5] * count)


def begun(budget_tokens: int, pad_query: bool = False) -> ActiveRow:
    row = ActiveRow(3, RowPlan((1, 2), pad_query, budget_tokens), line=0, held=1)
    first = row.span(RULES, 0, 0)
    assert (list(first.tokens), first.slot, first.wanted) == ([2, 9] if pad_query else [2], 1, 1)
    row.write([5], RULES)
    return row


def test_guesses_are_kept_up_to_the_first_that_is_wrong() -> None:
    row = begun(10)
    assert row.span(RULES, 0, 4).tokens == [5, 5, 5, 5, 5]
    row.write([5, 5, 7, 8, 8], RULES)
    assert row.ids == [5, 5, 5, 7]
    assert (row.span(RULES, 0, 2).slot, row.ended) == (5, None)


def test_nothing_is_written_past_the_end() -> None:
    row = begun(10)
    row.span(RULES, 0, 4)
    row.write([5, EOS, 5, 5, 5], RULES)
    assert row.finished().ids == (5, 5)
    row = begun(4)
    assert row.span(RULES, 0, 4).tokens == [5, 5, 5], "the last token is nobody's guess"
    row.write([5, 6, 6], RULES)
    assert row.span(RULES, 4, 4).tokens == [6], "there is room for one token and none to guess"
    row.write([6], RULES)
    assert (row.finished().ids, row.ended) == ((5, 5, 6, 6), "length")


def test_the_pad_s_slot_is_the_first_new_token_s() -> None:
    row = begun(10, pad_query=True)
    assert (row.span(RULES, 0, 1).slot, row.span(RULES, 0, 1).tokens) == (2, [5, 5])


def test_a_count_that_was_guessed_wrong_is_not_guessed_again() -> None:
    rules = replace(RULES, count_on=lambda ids: [7, 8, 9])
    row = begun(10)
    assert row.span(rules, 2, 0).tokens == [5, 7, 8]
    row.write([7, 6, 6], rules)
    assert row.span(rules, 2, 0).tokens == [6, 7, 8], "its first was right"
    row.write([6, 6, 6], rules)
    assert row.span(rules, 2, 0).tokens == [6]
