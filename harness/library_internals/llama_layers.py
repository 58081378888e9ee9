"""transformers' internals: what a Llama is made of, layer by layer.

Source: transformers 5.17 and 5.24, `models/llama/modeling_llama.py` (`LlamaDecoderLayer.forward`,
`LlamaAttention.forward`, `LlamaMLP.forward`, `LlamaModel.forward`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from harness.library_internals.bitsandbytes import is_quantized
from harness.library_internals.peft import LoraLayer, plain_lora_layer


@dataclass(frozen=True, slots=True)
class LinearParts:
    """A linear layer without bias, perhaps with a LoRA or DoRA adapter."""

    base: torch.nn.Module
    """Holds W, in full or in 4 bits."""
    lora: LoraLayer | None


@dataclass(frozen=True, slots=True)
class LayerParts:
    """A decoder layer."""

    linears: dict[str, LinearParts]
    """By name: `q_proj` to `down_proj`."""
    norms: tuple[tuple[torch.Tensor, float], tuple[torch.Tensor, float]]
    """Weight and epsilon, before attention and before the MLP."""
    head_size: int
    scaling: float


@dataclass(frozen=True, slots=True)
class LlamaParts:
    """A whole model, layer by layer."""

    embeddings: torch.Tensor
    """(vocab, hidden)"""
    layers: tuple[LayerParts, ...]
    last_norm: tuple[torch.Tensor, float]
    head: torch.Tensor
    """(vocab, hidden)"""
    rotary: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    """(x, positions) -> cosine and sine, (1, T, head size) each."""


def llama_parts(model: Any) -> LlamaParts | None:
    """Return what a causal model is made of, or None where it is no plain Llama.

    None is returned for other classes and subclasses, other activations, dropout of attention's
    weights, biases, 8-bit layers, and adapters that are neither LoRA nor DoRA.
    """
    from transformers.models.llama.modeling_llama import (
        LlamaAttention,
        LlamaDecoderLayer,
        LlamaForCausalLM,
        LlamaMLP,
        LlamaRMSNorm,
    )

    if type(model) is not LlamaForCausalLM or model.config.hidden_act != "silu":
        return None
    if model.config.attention_dropout:
        return None
    if type(model.lm_head) is not torch.nn.Linear or type(model.model.norm) is not LlamaRMSNorm:
        return None
    if type(model.model.embed_tokens) is not torch.nn.Embedding:
        return None
    layers = []
    for layer in model.model.layers:
        plain = (
            type(layer) is LlamaDecoderLayer
            and type(layer.self_attn) is LlamaAttention
            and type(layer.mlp) is LlamaMLP
            and type(layer.input_layernorm) is LlamaRMSNorm
            and type(layer.post_attention_layernorm) is LlamaRMSNorm
        )
        if not plain:
            return None
        linears = {
            name: _linear(module)
            for part in (layer.self_attn, layer.mlp)
            for name, module in part.named_children()
            if name.endswith("_proj")
        }
        found = {name: item for name, item in linears.items() if item is not None}
        if len(found) != len(linears):
            return None
        norms = (_norm(layer.input_layernorm), _norm(layer.post_attention_layernorm))
        layers.append(
            LayerParts(found, norms, layer.self_attn.head_dim, float(layer.self_attn.scaling))
        )
    return LlamaParts(
        embeddings=model.model.embed_tokens.weight,
        layers=tuple(layers),
        last_norm=_norm(model.model.norm),
        head=model.lm_head.weight,
        rotary=model.model.rotary_emb,
    )


def _norm(layer: Any) -> tuple[torch.Tensor, float]:
    return layer.weight, float(layer.variance_epsilon)


def _linear(module: Any) -> LinearParts | None:
    if (lora := plain_lora_layer(module)) is not None:
        return LinearParts(lora.base, lora)
    four_bits = is_quantized(module) and type(module).__name__ == "Linear4bit"
    if (type(module) is torch.nn.Linear or four_bits) and module.bias is None:
        return LinearParts(module, None)
    return None
