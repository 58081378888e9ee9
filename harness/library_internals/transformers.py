"""transformers' internals: the RMS norm of Llama and of the models that take it over.

Source: transformers 5.24, `models/llama/modeling_llama.py`, `LlamaRMSNorm.forward`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """One layer y = w x / sqrt(mean(x^2) + epsilon), over the last dimension."""

    layer: torch.nn.Module
    weight: torch.nn.Parameter
    """w, (size of that dimension,)"""
    epsilon: float


def llama_norms(model: torch.nn.Module) -> list[RmsNorm]:
    """Return every norm of `model` that is Llama's own class, and none of a subclass."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    norms: list[Any] = [module for module in model.modules() if type(module) is LlamaRMSNorm]
    return [RmsNorm(norm, norm.weight, norm.variance_epsilon) for norm in norms]
