"""Every family is decoded as transformers computes it: windows, bounds, norms and biases too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from odd_models import (
    KINDS,
    OWN_CODE,
    UNKNOWN,
    WINDOW,
    make_odd_model,
    make_own_code_model,
)

from harness.evaluation.decoder.decode import Decoder
from harness.evaluation.decoder.loglikelihood import Labels, weigh
from harness.evaluation.decoder.own_attention import OwnAttention
from harness.evaluation.decoder.packed_step import Span
from harness.evaluation.decoder.prompts import plan_rows
from harness.evaluation.decoder.row_state import Rules
from harness.evaluation.decoder.working_set import WorkingSet
from harness.evaluation.model.base_model import add_pad, load_base
from harness.evaluation.model.model_form import prepare

MAX_LENGTH = 56
BATCH = 4
WORDS = ("sales", "rose", "fell", "in", "the", "quarter", "of", "Norrsken", "Steel", "12", "%")


def prompts(count: int) -> list[str]:
    return [
        "What is it?\nInput: "
        + " ".join(WORDS[(row * 7 + i * (row + 1)) % len(WORDS)] for i in range(row * 5 % 6))
        + "\nAnswer: "
        for row in range(count)
    ]


@torch.inference_mode()
def plain(model: Any, tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Return what a batch's rows become, pads included, by whole forward passes without a cache.

    Masks, windows and bounds are transformers' own; only positions are said, as its 4.x did.
    """
    tokens = tokenizer(texts, return_tensors="pt", padding=True)
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    done = torch.zeros(len(texts), dtype=torch.bool)
    while ids.shape[1] < MAX_LENGTH and not bool(done.all()):
        positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1]
        new = logits.argmax(-1).masked_fill(done, tokenizer.eos_token_id)
        ids = torch.cat([ids, new[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(new)[:, None]], dim=1)
        done |= new == tokenizer.eos_token_id
    rows: list[list[int]] = ids.tolist()
    return rows


@pytest.mark.parametrize("kind", [*KINDS, *UNKNOWN, OWN_CODE])
def test_rows_get_the_tokens_and_labels_the_weights_that_transformers_gives(
    model_dir: Path, tmp_path: Path, kind: str
) -> None:
    own = kind == OWN_CODE
    folder = (
        make_own_code_model(model_dir, tmp_path)
        if own
        else make_odd_model(kind, model_dir, tmp_path)
    )
    base = load_base(folder, "cpu", seed=1, trust_remote_code=own)
    assert base.own_attention == (kind not in KINDS)
    pad = add_pad(base.model, base.tokenizer)
    texts = prompts(8)
    expected = [
        row for at in (0, 4) for row in plain(base.model, base.tokenizer, texts[at : at + 4])
    ]
    plans = plan_rows(base.tokenizer, texts, BATCH, MAX_LENGTH)
    assert any(plan.pads for plan in plans)
    assert max(len(plan.ids) for plan in plans) > WINDOW, "a window that is never reached"
    choices = ((5, 6), (7,))
    labels = [Labels(0, plans[3].ids, choices)]
    weights = [_weight(base.model, plans[3].ids, choice) for choice in choices]

    prepare(base)
    shape = base.cache_shape(MAX_LENGTH + 1)
    working_set = (
        OwnAttention(base.model, 5) if base.own_attention else WorkingSet(base.model, shape, 5)
    )
    decoder = Decoder(working_set, Rules(pad, frozenset({base.eos_id}), lambda plan, ids: False))
    for done in decoder.decode(list(enumerate(plans))):
        ignored = (pad, base.eos_id)
        clean = [token for token in expected[done.row] if token not in ignored]
        ours = [t for t in (*plans[done.row].ids, *done.ids) if t not in ignored]
        assert ours == clean, f"row {done.row}"
    [found] = weigh(working_set, labels)
    assert found.loglikelihoods == pytest.approx(weights, abs=1e-3)


def _weight(model: Any, prompt: tuple[int, ...], choice: tuple[int, ...]) -> float:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *choice]])).logits[0].log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(choice) - 1)
    return sum(float(logits[place, token]) for place, token in zip(places, choice, strict=True))


def test_a_model_that_attends_by_itself_makes_only_the_logits_that_are_asked_for(
    model_dir: Path, tmp_path: Path
) -> None:
    model = load_base(make_odd_model("glm", model_dir, tmp_path), "cpu", seed=1).model
    made: list[int] = []
    model.get_output_embeddings().register_forward_hook(
        lambda head, given, found: made.append(found.shape[-2])
    )
    line = OwnAttention(model, 1)
    assert line.feed([Span(0, 0, [5, 6, 7, 8, 9], 2)])[0].shape == (2, 512)
    assert made == [2]
