"""The decoder writes, row by row, what a plain loop over upstream's batches writes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of
from harness.boards.rows import Row
from harness.evaluation.decoder.decode import Decoder
from harness.evaluation.decoder.loglikelihood import UNIT_ROWS, Labels, units, weigh
from harness.evaluation.decoder.prompts import RowPlan, plan_rows
from harness.evaluation.decoder.row_attention import ROW_ATTENTION
from harness.evaluation.decoder.row_cache import Copy, RowCache
from harness.evaluation.decoder.row_state import ActiveRow, Rules
from harness.evaluation.decoder.working_set import WorkingSet, common_prefix
from harness.evaluation.engine import Engine
from harness.evaluation.model.base_model import Base, add_pad
from harness.evaluation.model.model_form import prepare

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


def decoder_of(base: Base, lines: int, decided: Any = never) -> Decoder:
    pad = add_pad(base.model, base.tokenizer)
    if base.model.config._attn_implementation != ROW_ATTENTION:
        prepare(base)
    working_set = WorkingSet(base.model, base.cache_shape(MAX_LENGTH + 1), lines)
    rules = Rules(pad, frozenset({base.eos_id}), decided)
    return Decoder(working_set, rules)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("lines", [3, 11])
def test_every_row_gets_the_tokens_that_its_official_batch_gives_it(
    base: Base, side: str, lines: int
) -> None:
    pad = add_pad(base.model, base.tokenizer)
    base.tokenizer.padding_side = side
    texts = prompts(11)
    expected = plain(base, texts)
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    decoder = decoder_of(base, lines)
    found = {done.row: done for done in decoder.decode(list(enumerate(plans)))}
    assert sorted(found) == list(range(11))
    assert any(plan.pad_query for plan in plans) is (side == "right")
    for row, plan in enumerate(plans):
        clean = [token for token in expected[row] if token not in (pad, base.eos_id)]
        ours = [token for token in (*plan.ids, *found[row].ids) if token not in (pad, base.eos_id)]
        assert ours == clean, f"row {row}"


def test_the_pad_query_matters(base: Base) -> None:
    add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(4), BATCH, MAX_LENGTH)
    decoder = decoder_of(base, 4)
    bare = [RowPlan(plan.ids, False, plan.budget_tokens) for plan in plans]
    with_pads = [done.ids for done in decoder.decode(list(enumerate(plans)))]
    without = [done.ids for done in decoder.decode(list(enumerate(bare)))]
    assert with_pads != without


def test_retiring_a_row_changes_no_other(base: Base) -> None:
    add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(9), BATCH, MAX_LENGTH)
    decoder = decoder_of(base, 4)
    full = {done.row: done.ids for done in decoder.decode(list(enumerate(plans)))}

    def early(plan: RowPlan, ids: Sequence[int]) -> bool:
        return len(plan.ids) % 2 == 0 and len(ids) == 3

    decoder = decoder_of(base, 4, early)
    cut = {done.row: done for done in decoder.decode(list(enumerate(plans)))}
    assert {done.ended for done in cut.values()} >= {"decided"}
    for row, done in cut.items():
        assert full[row][: len(done.ids)] == done.ids
        if done.ended != "decided":
            assert full[row] == done.ids


def test_a_row_ends_where_its_batch_would(base: Base) -> None:
    add_pad(base.model, base.tokenizer)
    texts = prompts(8)
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    decoder = decoder_of(base, 8)
    for done in decoder.decode(list(enumerate(plans))):
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
    ("held", "prompt", "expected"),
    [
        ([1, 2, 3], [1, 2, 4], 2),
        ([1, 2, 3], [1, 2], 1),
        ([5], [5], 0),
        ([1, 2], [3, 4], 0),
        ([], [3, 4], 0),
    ],
)
def test_a_held_prefix_leaves_every_prompt_a_token(
    held: list[int], prompt: list[int], expected: int
) -> None:
    assert common_prefix(held, prompt) == expected


def test_what_prompts_share_is_read_once(base: Base) -> None:
    texts = prompts(11)
    add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    decoder = decoder_of(base, 3)
    fed = 0
    real = decoder.working_set.likeliest

    def feed(spans: Any) -> Any:
        nonlocal fed
        fed += sum(len(span.tokens) for span in spans if span.slot < len(plans[0].ids) // 2)
        return real(spans)

    decoder.working_set.likeliest = feed  # type: ignore[method-assign]
    list(decoder.decode(sorted(enumerate(plans), key=lambda item: item[1].ids)))
    assert fed < sum(len(plan.ids) for plan in plans) / 2


def test_what_prompts_of_one_pass_share_is_computed_once(base: Base) -> None:
    add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(11), BATCH, MAX_LENGTH)
    decoder = decoder_of(base, 11)
    decoder.working_set.step_tokens = 10_000
    passes: list[int] = []
    real = decoder.working_set.likeliest

    def feed(spans: Any) -> Any:
        passes.append(sum(len(span.tokens) - span.pad_query for span in spans))
        return real(spans)

    decoder.working_set.likeliest = feed  # type: ignore[method-assign]
    list(decoder.decode(sorted(enumerate(plans), key=lambda item: item[1].ids)))
    beginnings = {plan.ids[:length] for plan in plans for length in range(1, len(plan.ids) + 1)}
    assert passes[0] == len(beginnings)


def test_a_line_gets_what_a_line_of_the_same_pass_gets_from_a_third(base: Base) -> None:
    """Copies are made at once, so each is of what was computed, not of what is copied beside it."""
    cache = RowCache(base.cache_shape(4), 3, torch.device("cpu"))
    cache.begin(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]), [Copy(0, 1, 2), Copy(1, 2, 3)])
    shape = (1, cache.keys[0].shape[2], 3, cache.keys[0].shape[3])
    fresh = torch.arange(1.0, 4.0)[None, None, :, None].expand(shape)
    cache.update(fresh, -fresh, 0)
    assert cache.keys[0][:, :, 0, 0].tolist() == [[1, 2, 0, 0], [1, 2, 3, 0], [1, 2, 3, 0]]
    assert torch.equal(cache.values[0], -cache.keys[0])


def test_the_first_rows_of_a_set_are_planned_as_in_the_whole_set(base: Base) -> None:
    protocol = protocol_of(load_challenge("finance"))
    engine = Engine(base, protocol, 1, 1)
    texts = prompts(70)
    texts[69] += "longer than all before"
    rows = [Row(text, "positive") for text in texts]
    whole = engine.plan("fiqa", rows)
    assert len({plan.budget_tokens for plan in whole}) == 2, "a batch pads what stands before it"
    for count in (1, 31, 32, 33, 69, 70):
        assert engine.plan("fiqa", rows, count) == whole[:count]


def test_a_row_that_counts_takes_few_passes(base: Base) -> None:
    protocol = protocol_of(load_challenge("finance"))
    engine = Engine(base, protocol, 1, 1)
    assert engine.pool is not None
    [decoder] = engine.pool.decoders
    counted = " ".join(f"{number}." for number in range(1, 200))
    text = base.tokenizer(counted, add_special_tokens=False)["input_ids"]
    [plan] = plan_rows(base.tokenizer, prompts(1), 1, 400)
    passes = 0

    def counts(spans: Any) -> list[list[int]]:
        nonlocal passes
        passes += 1
        [span] = spans
        first = span.slot + len(span.tokens) - span.wanted - len(plan.ids) + 1
        return [text[first : first + span.wanted]]

    decoder.working_set.likeliest = counts  # type: ignore[method-assign]
    [done] = decoder.decode([(0, plan)])
    assert list(done.ids) == text[: plan.budget_tokens]
    assert passes < len(done.ids) / 8


def test_loglikelihoods_are_those_of_a_plain_forward_pass(base: Base) -> None:
    add_pad(base.model, base.tokenizer)
    reference = deepcopy(base.model)
    decoder = decoder_of(base, 3)
    encode: Any = lambda text: tuple(base.tokenizer(text)["input_ids"])  # noqa: E731
    choices = tuple(encode(word) for word in (" negative", " neutral", " positive", " up"))
    assert len({len(choice) for choice in choices}) > 1, "choices of unlike length are the point"
    rows = [Labels(i, encode(text.rstrip()), choices) for i, text in enumerate(prompts(5))]
    for done in weigh(decoder.working_set, rows):
        prompt = rows[done.row].prompt
        for choice, value, greedy in zip(choices, done.loglikelihoods, done.greedy, strict=True):
            ids = torch.tensor([[*prompt, *choice]])
            logits = reference(ids).logits[0, len(prompt) - 1 : -1]
            scores = logits.log_softmax(-1)
            expected = scores[torch.arange(len(choice)), list(choice)].sum()
            assert value == pytest.approx(float(expected), abs=1e-4)
            assert greedy == (scores.argmax(-1).tolist() == list(choice))


@pytest.mark.parametrize("count", [4, 24, 256, 257, 450])
def test_decoders_get_equal_shares_of_rows_to_weigh(count: int) -> None:
    rows = [Labels(row, (row % 7, row), ((1,),)) for row in range(count)]
    cut = units(rows, range(count))
    assert sorted(row.row for unit in cut for row in unit) == list(range(count))
    assert all(len(unit) <= UNIT_ROWS for unit in cut)
    for decoders in (1, 2, 4):
        shares = [sum(map(len, cut[place::decoders])) for place in range(decoders)]
        assert max(shares) - min(shares) <= 2
    part = units(rows, {count - 1})
    assert all(unit in cut for unit in part), "what is done already does not cut another way"


def test_right_guesses_save_passes_and_wrong_ones_change_nothing(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    pad = add_pad(base.model, base.tokenizer)
    plans = plan_rows(base.tokenizer, prompts(6), BATCH, MAX_LENGTH)
    texts: dict[str, dict[int, tuple[int, ...]]] = {}
    passes: dict[str, int] = {}

    def nothing(row: ActiveRow, *_: Any) -> list[int]:
        return []

    def known(row: ActiveRow, _: Rules, most: int, __: int) -> list[int]:
        """Know what an earlier decode wrote after these tokens."""
        ids = tuple(row.ids)
        whole = next(text for text in texts["none"].values() if text[: len(ids)] == ids)
        return list(whole[len(ids) :][:most])

    def wrong(row: ActiveRow, _: Rules, most: int, __: int) -> list[int]:
        return [(row.ids[-1] + place) % 500 for place in range(9)][:most]

    cases: dict[str, Any] = {"none": nothing, "right": known, "wrong": wrong, "usual": None}
    usual = ActiveRow._guess
    for name, guess in cases.items():
        monkeypatch.setattr(ActiveRow, "_guess", guess or usual)
        decoder = decoder_of(base, 3)
        count = 0
        real = decoder.working_set.likeliest

        def feed(spans: Any, real: Any = real) -> Any:
            nonlocal count
            count += 1
            return real(spans)

        monkeypatch.setattr(decoder.working_set, "likeliest", feed)
        texts[name] = {d.row: d.ids for d in decoder.decode(list(enumerate(plans)))}
        passes[name] = count
    assert texts["right"] == texts["none"]
    assert texts["wrong"] == texts["none"]
    assert texts["usual"] == texts["none"]
    assert passes["right"] < passes["none"] / 3
    assert pad not in {token for ids in texts["none"].values() for token in ids}
