"""The decoder writes, row by row, what a plain loop over upstream's batches writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from harness.evaluation.base_model import Base, add_pad
from harness.evaluation.decode import Decoder, shared_prefix
from harness.evaluation.draft import MAX_DRAFT_TOKENS, draft, draft_length
from harness.evaluation.prompts import RowPlan, plan_rows

MAX_LENGTH = 72
BATCH = 4
WORDS = ("sales", "rose", "fell", "in", "the", "quarter", "of", "Norrsken", "Steel", "12", "%")


def prompts(count: int) -> list[str]:
    return [
        "Instruction: what is it?\nInput: "
        + " ".join(WORDS[(row * 7 + i * (row + 1)) % len(WORDS)] for i in range(row * 5 % 11))
        + "\nAnswer: "
        for row in range(count)
    ]


def plain(base: Base, texts: Sequence[str]) -> list[list[int]]:
    from plain_loop import decode_batch

    rows: list[list[int]] = []
    for first in range(0, len(texts), BATCH):
        rows += decode_batch(base.model, base.tokenizer, texts[first : first + BATCH], MAX_LENGTH)
    return rows


def never(plan: RowPlan, ids: Sequence[int]) -> bool:
    return False


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("lines", [3, 8])
def test_every_row_gets_the_tokens_that_its_official_batch_gives_it(
    base: Base, side: str, lines: int
) -> None:
    pad = add_pad(base.model, base.tokenizer)
    base.tokenizer.padding_side = side
    texts = prompts(11)
    expected = plain(base, texts)
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    decoder = Decoder(
        base.model, pad, base.eos_id, base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS), lines
    )
    found = {done.row: done for done in decoder.decode(list(enumerate(plans)), never)}
    assert sorted(found) == list(range(11))
    assert any(plan.pad_query for plan in plans) is (side == "right")
    for row, plan in enumerate(plans):
        clean = [token for token in expected[row] if token not in (pad, base.eos_id)]
        ours = [token for token in (*plan.ids, *found[row].ids) if token not in (pad, base.eos_id)]
        assert ours == clean, f"row {row}"


def test_the_pad_query_matters(base: Base) -> None:
    pad = add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(4), BATCH, MAX_LENGTH)
    decoder = Decoder(
        base.model, pad, base.eos_id, base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS), 4
    )
    bare = [RowPlan(plan.ids, False, plan.budget_tokens) for plan in plans]
    with_pads = [done.ids for done in decoder.decode(list(enumerate(plans)), never)]
    without = [done.ids for done in decoder.decode(list(enumerate(bare)), never)]
    assert with_pads != without


def test_retiring_a_row_changes_no_other(base: Base) -> None:
    pad = add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(9), BATCH, MAX_LENGTH)
    decoder = Decoder(
        base.model, pad, base.eos_id, base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS), 4
    )
    full = {done.row: done.ids for done in decoder.decode(list(enumerate(plans)), never)}

    def early(plan: RowPlan, ids: Sequence[int]) -> bool:
        return len(plan.ids) % 2 == 0 and len(ids) == 3

    cut = {done.row: done for done in decoder.decode(list(enumerate(plans)), early)}
    assert {done.ended for done in cut.values()} >= {"decided"}
    for row, done in cut.items():
        assert full[row][: len(done.ids)] == done.ids
        if done.ended != "decided":
            assert full[row] == done.ids


def test_a_row_ends_where_its_batch_would(base: Base) -> None:
    pad = add_pad(base.model, base.tokenizer)
    texts = prompts(8)
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    decoder = Decoder(
        base.model, pad, base.eos_id, base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS), 8
    )
    for done in decoder.decode(list(enumerate(plans)), never):
        batch = plans[done.row // BATCH * BATCH :][:BATCH]
        width = max(len(plan.ids) for plan in batch)
        if done.ended == "length":
            assert len(done.ids) == MAX_LENGTH - width
        else:
            assert len(done.ids) < MAX_LENGTH - width


def test_prompts_without_room_for_an_answer_are_refused(base: Base) -> None:
    from harness.errors import EvaluationError

    with pytest.raises(EvaluationError, match=r"rows 4\.\.7: the longest prompt has \d+ tokens"):
        plan_rows(base.tokenizer, [*prompts(4), "long " * 80, *prompts(3)], BATCH, MAX_LENGTH)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2], [1, 2, 3]], 1),
        ([[5], [5]], 0),
        ([[1, 2], [3, 4]], 0),
        ([[1, 2, 3]], 2),
    ],
)
def test_a_shared_prefix_leaves_every_row_a_token(rows: list[list[int]], expected: int) -> None:
    assert shared_prefix(rows) == expected


def test_loglikelihoods_are_those_of_a_plain_forward_pass(base: Base) -> None:
    from harness.evaluation.loglikelihood import Labels, weigh

    pad = add_pad(base.model, base.tokenizer)
    decoder = Decoder(
        base.model, pad, base.eos_id, base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS), 3
    )
    encode: Any = lambda text: tuple(base.tokenizer(text)["input_ids"])  # noqa: E731
    choices = tuple(encode(word) for word in (" negative", " neutral", " positive", " up"))
    assert len({len(choice) for choice in choices}) > 1, "choices of unlike length are the point"
    rows = [Labels(i, encode(text.rstrip()), choices) for i, text in enumerate(prompts(5))]
    for done in weigh(decoder, rows):
        prompt = rows[done.row].prompt
        for choice, value, greedy in zip(choices, done.loglikelihoods, done.greedy, strict=True):
            ids = torch.tensor([[*prompt, *choice]])
            logits = base.model(ids).logits[0, len(prompt) - 1 : -1]
            scores = logits.log_softmax(-1)
            expected = scores[torch.arange(len(choice)), list(choice)].sum()
            assert value == pytest.approx(float(expected), abs=1e-4)
            assert greedy == (scores.argmax(-1).tolist() == list(choice))


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
    assert draft(history, 5) == expected


@pytest.mark.parametrize("rows", [1, 2, 8, 9, 32, 33, 64, 65, 128])
def test_guesses_are_made_only_when_few_rows_are_left(rows: int) -> None:
    ahead = draft_length(rows)
    assert ahead <= MAX_DRAFT_TOKENS
    assert (ahead > 0) is (rows <= 32)


def test_right_guesses_save_steps_and_wrong_ones_change_nothing(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    pad = add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(6), BATCH, MAX_LENGTH)
    shape = base.cache_shape(MAX_LENGTH + 1 + MAX_DRAFT_TOKENS)
    texts: dict[str, dict[int, tuple[int, ...]]] = {}
    steps: dict[str, int] = {}

    def right(history: Sequence[int], count: int) -> list[int]:
        """Know what an earlier decode wrote."""
        for row, plan in enumerate(plans):
            whole = [*plan.ids, *texts["none"][row]]
            if whole[: len(history)] == history:
                return (whole[len(history) :] + [0] * count)[:count]
        raise AssertionError("no such row")

    guesses: dict[str, Any] = {
        "none": lambda history, count: [],
        "right": right,
        "wrong": lambda history, count: [(history[-1] + place) % 500 for place in range(count)],
        "usual": draft,
    }
    for name, guess in guesses.items():
        monkeypatch.setattr("harness.evaluation.decode.draft", guess)
        decoder = Decoder(base.model, pad, base.eos_id, shape, 3)
        count = 0
        real = decoder.feed

        def feed(*arguments: Any, real: Any = real) -> torch.Tensor:
            nonlocal count
            count += 1
            return real(*arguments)

        monkeypatch.setattr(decoder, "feed", feed)
        texts[name] = {d.row: d.ids for d in decoder.decode(list(enumerate(plans)), never)}
        steps[name] = count
    assert texts["right"] == texts["none"]
    assert texts["wrong"] == texts["none"]
    assert texts["usual"] == texts["none"]
    assert steps["right"] < steps["none"] / 4
