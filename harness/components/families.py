"""The families of models that are known here: their linear layers, biases and norms, as data.

A family is what one modelling file of transformers computes. All that a forecast needs of one is a
row of `FAMILIES`; sizes are named there, and a model's config.json gives the numbers.

Source: transformers 5.24, `models/<model_type>/modeling_*.py` and `configuration_*.py`; InternLM3's
own `modeling_internlm3.py` on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Size = Literal[
    "hidden", "intermediate", "gate_up", "head", "queries", "keys", "qkv", "vocab", "one"
]  # fmt: skip
"""Widths of a model: `queries` is heads times the width of a head, `keys` kv heads times that,
`qkv` all three of them side by side, `gate_up` twice the intermediate size, `one` a number
by itself."""

Bias = Literal["never", "always", "attention_bias", "mlp_bias"]
"""Whether a layer has a bias: always, or where the ModelSpec's field of that name says so."""


@dataclass(frozen=True, slots=True)
class Projection:
    """One linear layer of a decoder block."""

    name: str
    """Module path inside the block."""
    takes: Size
    gives: Size
    bias: Bias = "never"


@dataclass(frozen=True, slots=True)
class Family:
    """One row: what all models of a `model_type` share."""

    projections: tuple[Projection, ...]
    """The block's linear layers, in module order."""
    norms: tuple[Size, ...] = ("hidden", "hidden")
    """Widths of the norms of a block, and of whatever else it holds beside linear layers."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Field of a ModelSpec -> key of config.json, beside `KEYS`: those that this family has."""
    defaults: Mapping[str, int | bool] = field(default_factory=dict)
    """Field -> value where config.json leaves its key out; kv_heads is heads, a bias none, and an
    output head its own, where nothing is said here."""
    own_code: bool = False
    """Whether the model's folder brings code that transformers has not."""
    outside: tuple[Size, ...] = ("hidden",)
    """Widths of the weights beside blocks, embedding and head: the norm after the last block."""
    blocks: str = "model.layers"
    """Path of the list of decoder blocks."""
    embedding: str = "model.embed_tokens"
    head: str = "lm_head"


KEYS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "intermediate": "intermediate_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocab": "vocab_size",
    "tied_embeddings": "tie_word_embeddings",
}
"""Field of a ModelSpec -> key of config.json, in every family."""

ATTENTION_BIAS = {"attention_bias": "attention_bias"}
MLP_BIAS = {"mlp_bias": "mlp_bias"}


def _attention(inputs: Bias = "never", output: Bias = "never") -> tuple[Projection, ...]:
    return (
        Projection("self_attn.q_proj", "hidden", "queries", inputs),
        Projection("self_attn.k_proj", "hidden", "keys", inputs),
        Projection("self_attn.v_proj", "hidden", "keys", inputs),
        Projection("self_attn.o_proj", "queries", "hidden", output),
    )


def _mlp(bias: Bias = "never") -> tuple[Projection, ...]:
    return (
        Projection("mlp.gate_proj", "hidden", "intermediate", bias),
        Projection("mlp.up_proj", "hidden", "intermediate", bias),
        Projection("mlp.down_proj", "intermediate", "hidden", bias),
    )


FUSED = (
    Projection("self_attn.o_proj", "queries", "hidden"),
    Projection("self_attn.qkv_proj", "hidden", "qkv"),
    Projection("mlp.gate_up_proj", "hidden", "gate_up"),
    Projection("mlp.down_proj", "intermediate", "hidden"),
)
"""Phi-3's: queries, keys and values are one layer, and so are gate and up."""

_BIASED_ATTENTION = _attention("attention_bias", "attention_bias")

FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        _BIASED_ATTENTION + _mlp("mlp_bias"),
        keys=ATTENTION_BIAS | MLP_BIAS,
    ),
    "mistral": Family(_attention() + _mlp(), defaults={"kv_heads": 8}),
    "qwen2": Family(_attention("always") + _mlp(), defaults={"kv_heads": 32}),
    "qwen3": Family(
        _BIASED_ATTENTION + _mlp(),
        norms=("hidden", "hidden", "head", "head"),
        keys=ATTENTION_BIAS,
        defaults={"kv_heads": 32, "head_dim": 128},
    ),
    "gemma2": Family(
        _BIASED_ATTENTION + _mlp(),
        norms=("hidden", "hidden", "hidden", "hidden"),
        keys=ATTENTION_BIAS,
        defaults={"kv_heads": 4, "head_dim": 256, "tied_embeddings": True},
    ),
    "gemma3_text": Family(
        _BIASED_ATTENTION + _mlp(),
        norms=("hidden", "hidden", "hidden", "hidden", "head", "head"),
        keys=ATTENTION_BIAS,
        defaults={"kv_heads": 4, "head_dim": 256, "tied_embeddings": True},
    ),
    "phi3": Family(FUSED),
    "olmo2": Family(
        _BIASED_ATTENTION + _mlp(),
        norms=("hidden", "hidden", "queries", "keys"),
        keys=ATTENTION_BIAS,
    ),
    "smollm3": Family(
        _BIASED_ATTENTION + _mlp("mlp_bias"),
        keys=ATTENTION_BIAS | MLP_BIAS,
        defaults={"kv_heads": 4, "tied_embeddings": True},
    ),
    "granite": Family(
        _BIASED_ATTENTION + _mlp("mlp_bias"),
        keys=ATTENTION_BIAS | MLP_BIAS,
    ),
    "internlm3": Family(
        _attention("attention_bias", "mlp_bias") + _mlp("mlp_bias"),
        keys={"attention_bias": "qkv_bias", "mlp_bias": "bias"},
        defaults={"kv_heads": 2},
        own_code=True,
    ),
}
"""`model_type` of a config.json -> what all models of it share."""
