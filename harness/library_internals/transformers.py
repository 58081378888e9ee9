"""transformers' internals: Llama's RMS norm, what has had several names over time, and what its
import brings that no language model needs.

Source: transformers 5.24, `models/llama/modeling_llama.py`, `LlamaRMSNorm.forward`; 5.17 and 5.24,
`modeling_utils.py`, `gradient_checkpointing_enable` and `activation_checkpointing_enable`, and
`LlamaForCausalLM.forward`; 5.24, `loss/loss_for_object_detection.py`, which `modeling_utils` loads.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """One layer y = w x / sqrt(mean(x^2) + epsilon), over the last dimension."""

    layer: torch.nn.Module
    weight: torch.nn.Parameter
    """w, (size of that dimension,)"""
    epsilon: float


ASSIGNING = "scipy.optimize"


def load_transformers() -> None:
    """Import what loads a language model without scipy, which takes 0.4 s of a processor.

    Losses for finding objects in pictures name one function of scipy's; they load it when they
    call it.
    """
    if ASSIGNING in sys.modules:
        return
    module = ModuleType(ASSIGNING)
    module.__dict__["linear_sum_assignment"] = linear_sum_assignment
    sys.modules[ASSIGNING] = module
    try:
        import transformers.modeling_utils  # noqa: F401
    finally:
        del sys.modules[ASSIGNING]


def linear_sum_assignment(*arguments: Any, **named: Any) -> Any:
    """Do as scipy's function of this name does."""
    from scipy.optimize import linear_sum_assignment as scipys

    return scipys(*arguments, **named)


def llama_norms(model: torch.nn.Module) -> list[RmsNorm]:
    """Return every norm of `model` that is Llama's own class, and none of a subclass."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    norms: list[Any] = [module for module in model.modules() if type(module) is LlamaRMSNorm]
    return [RmsNorm(norm, norm.weight, norm.variance_epsilon) for norm in norms]


def checkpoints(model: Any) -> bool:
    """Return whether a model's layers are computed again on the way back."""
    name = "is_activation_checkpointing"
    return bool(getattr(model, name if hasattr(model, name) else "is_gradient_checkpointing"))


def set_checkpointing(model: Any, on: bool) -> None:
    """Switch that on or off; the re-entrant kind needs an input that asks for gradients."""
    stem = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if on:
        getattr(model, f"{stem}_checkpointing_enable")({"use_reentrant": False})
    else:
        getattr(model, f"{stem}_checkpointing_disable")()


def cache_argument(model: Any) -> str:
    """Return by which name a model's forward takes a cache: any other it would ignore."""
    known = inspect.signature(model.forward).parameters
    return "cache" if "cache" in known else "past_key_values"
