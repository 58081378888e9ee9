"""Prompts that are decoded one by one get the new tokens that upstream's batches give them."""

from __future__ import annotations

import pytest

from harness.errors import EvaluationError
from harness.evaluation.decoder.prompts import RowPlan, plan_alone


class Letters:
    """A tokenizer with a token for each letter, a BOS 1 in front, and EOS 2 for "!"."""

    eos_token_id = 2

    def encode(self, text: str) -> list[int]:
        return [1, *(2 if letter == "!" else ord(letter) for letter in text)]

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": self.encode(text)[0 if add_special_tokens else 1 :]}


def budgets(plans: list[RowPlan]) -> list[int]:
    return [plan.budget_tokens for plan in plans]


def test_a_batch_has_the_new_tokens_of_its_first_right_answer() -> None:
    answers = ["yes", "no", "no", "maybe", "no"]
    plans = plan_alone(Letters(), list("pqrst"), answers, 2, frozenset())
    assert budgets(plans) == [3, 3, 2, 2, 2]
    assert plans[0].ids == (1, ord("p"))
    assert not any(plan.pad_query for plan in plans)


def test_of_equal_prompts_the_last_one_s_new_tokens_count() -> None:
    answers = ["no", "no", "maybe", "no"]
    whole = plan_alone(Letters(), list("pqpr"), answers, 2, frozenset())
    assert budgets(whole) == [5, 2, 5, 5]
    for count in range(5):
        some = plan_alone(Letters(), list("pqpr"), answers, 2, frozenset(), count=count)
        assert some == whole[:count], "also where the one that counts is not asked for"


def test_a_prompt_of_which_upstream_hides_a_token_is_refused() -> None:
    with pytest.raises(EvaluationError, match="row 1: its prompt holds the tokenizer's EOS"):
        plan_alone(Letters(), ["p", "q!"], ["a", "a"], 2, frozenset())
    assert plan_alone(Letters(), ["p", "q!"], ["a", "a"], 2, frozenset({2}))
