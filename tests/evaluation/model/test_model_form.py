"""Models of many kinds compute in the decoder's form what they did before, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from harness.errors import EvaluationError
from harness.evaluation.decoder import row_attention
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


def test_a_window_shorter_than_a_row_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"a window of 3 tokens over a row of \d"):
        prepare(small("mistral", sliding_window=3))


def test_capped_scores_are_refused() -> None:
    with pytest.raises(EvaluationError, match="asks for softcap"):
        prepare(small("gemma2", "eager", head_dim=16))


def test_a_model_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = row_attention._attend
    monkeypatch.setattr(
        row_attention, "_attend", lambda *items: real(*items[:-1], scaling=0.9 * items[-1])
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
