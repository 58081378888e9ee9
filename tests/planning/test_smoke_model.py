"""A smoke run tries the recipe's own family, and SmolLM2 where that is one of its layers."""

from __future__ import annotations

from typing import Any

import pytest

from harness.components import ModelSpec, spec_of_config
from harness.planning.smoke import RANDOM, SMOKE_MODEL, smoke_model

SIZES = {
    "num_hidden_layers": 26, "hidden_size": 2304, "intermediate_size": 9216,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 256000,
}  # fmt: skip


def small(kind: str, **values: Any) -> ModelSpec:
    """Return the model of a smoke run of a config.json."""
    config = {"model_type": kind, **SIZES, **values}
    return smoke_model(spec_of_config(config, "org/model", "config.json"))


def test_a_plain_llama_and_a_model_of_its_own_code_become_smollm2() -> None:
    assert small("llama") == SMOKE_MODEL
    assert small("internlm3") == SMOKE_MODEL


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("gemma2", {"head_dim": 256}),
        ("llama", {"attention_bias": True}),
        ("mistral", {"head_dim": 128}),
        ("phi3", {"tie_word_embeddings": True}),
        ("smollm3", {"mlp_bias": True, "num_key_value_heads": 8}),
        ("gemma3_text", {"num_key_value_heads": 1}),
    ],
)
def test_another_family_keeps_what_is_odd_about_it(kind: str, values: dict[str, Any]) -> None:
    real = spec_of_config({"model_type": kind, **SIZES, **values}, "org/model", "config.json")
    made = smoke_model(real)
    assert made.hub_id == f"{RANDOM}{kind}"
    assert made.parameters() < 10_000_000
    for name in ("architecture", "attention_bias", "mlp_bias", "tied_embeddings", "quantization"):
        assert getattr(made, name) == getattr(real, name)
    assert (made.head_size * made.heads != made.hidden) == (real.head_dim is not None)
    assert (made.heads == made.kv_heads) == (real.heads == real.kv_heads)
    layers = [
        [item.name for item in model.linears() if ".layers.0." in item.name]
        for model in (made, real)
    ]
    assert layers[0] == layers[1]
