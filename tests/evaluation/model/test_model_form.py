"""Models of many kinds compute in the decoder's form what they did before, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from harness.errors import EvaluationError
from harness.evaluation.decoder import row_attention
from harness.evaluation.decoder.packed_step import Span
from harness.evaluation.decoder.row_attention import attend_rows
from harness.evaluation.decoder.working_set import WorkingSet
from harness.evaluation.model.base_model import Base
from harness.evaluation.model.model_form import prepare

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


def small(kind: str, attention: str = "sdpa", **config: Any) -> Base:
    torch.manual_seed(5)
    options = AutoConfig.for_model(kind, **{**SMALL, **config})
    model = AutoModelForCausalLM.from_config(options, attn_implementation=attention).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return Base(model, None, 1)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("llama", {}),
        ("mistral", {}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 16}),
        ("gemma3_text", {"head_dim": 16, "sliding_window": 512}),
        ("phi3", {}),
        ("gpt_neox", {"num_key_value_heads": 4}),
        ("olmo2", {}),
        (
            "qwen3_moe",
            {
                "num_experts": 4,
                "num_experts_per_tok": 2,
                "moe_intermediate_size": 16,
                "head_dim": 16,
            },
        ),
    ],
)
def test_models_of_many_kinds_decode(kind: str, config: dict[str, Any]) -> None:
    prepare(small(kind, **config))


def test_a_window_shorter_than_a_row_and_bounded_scores_are_computed() -> None:
    prepare(small("mistral", sliding_window=3))
    prepare(small("gemma2", "eager", head_dim=16, sliding_window=3, attn_logit_softcapping=0.5))


def test_scores_that_are_changed_in_another_way_are_refused() -> None:
    with pytest.raises(EvaluationError, match="asks for s_aux"):
        attend_rows(None, *[torch.zeros(1, 1, 1, 4)] * 3, None, step=(), row_cache=(), s_aux=1)  # type: ignore[arg-type]


def test_a_pad_beyond_the_window_of_bounded_scores_is_refused() -> None:
    base = small("gemma2", "eager", head_dim=16, sliding_window=3)
    prepare(base)
    working_set = WorkingSet(base.model, base.cache_shape(12), 1)
    working_set.admit((5, 6))
    with pytest.raises(EvaluationError, match="a pad stands farther from its prompt"):
        working_set.feed([Span(0, 0, (5, 6, 0), 1, pad_query=True, prompt=2, pads=4)])


def test_a_model_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = row_attention._attend
    monkeypatch.setattr(
        row_attention, "_attend", lambda *items: real(*items[:-1], (0.9 * items[-1][0], None, None))
    )
    with pytest.raises(
        EvaluationError, match=r"logits differ by .* this model cannot be evaluated"
    ):
        prepare(small("llama"))


def test_a_model_that_takes_no_arguments_for_attention_is_refused() -> None:
    base = small("llama")
    real = base.model.forward

    def forward(input_ids: Any, **options: Any) -> Any:
        if "step" in options:
            raise TypeError("forward() got an unexpected keyword argument 'step'")
        return real(input_ids, **options)

    base.model.forward = forward
    with pytest.raises(EvaluationError, match="its attention does not go through transformers'"):
        prepare(base)
