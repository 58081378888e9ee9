"""The frozen linear layers in the form in which many steps use them; no value changes.

A base in 4 bits is dequantised at each use, once forward and once backward for each step and layer.
Where memory allows, that is done once for all steps. The values are those of the 4-bit layer, not
those of the model before it was quantized: rounding is lost for good, and only the form changes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import linear

from harness.components import ModelSpec
from harness.library_internals.bitsandbytes import dequantised, is_quantized


def dequantised_bytes(model: ModelSpec, dtype: torch.dtype) -> int:
    """Return how many bytes the decoder's linear layers take in `dtype`."""
    return model.linear_parameters() * dtype.itemsize


def hold_linears_in(base: Any, dtype: torch.dtype) -> None:
    """Hold the decoder's linear layers in the type that would be made of them at each use.

    Args:
        base: a transformers model that is not quantized.
        dtype: the type that the layers compute in.
    """
    # The output head may share its weight with the embedding, which stays in float32.
    head = base.get_output_embeddings()
    for layer in base.modules():
        if type(layer) is torch.nn.Linear and layer is not head:
            layer.to(dtype)


def dequantise(base: torch.nn.Module, dtype: torch.dtype) -> None:
    """Replace quantized layers by plain ones with the same values.

    They compute what `dequantise_at_use` has 4-bit layers compute, and 8-bit ones do on a CPU, bit
    for bit.

    Args:
        base: a model with bitsandbytes layers; they are replaced in place.
        dtype: the type that the layers compute in.
    """
    for parent in list(base.modules()):
        for name, layer in list(parent.named_children()):
            if is_quantized(layer):
                setattr(parent, name, _plain(layer, dtype))


def dequantise_at_use(base: torch.nn.Module, dtype: torch.dtype) -> None:
    """Have 4-bit layers compute what `dequantise` would have them compute, from the same values.

    bitsandbytes' own layer does not: since 0.50 it dequantises to the type of its input, where
    peft, its backward pass and earlier versions round each value to the model's type first. Whether
    a machine has the memory to keep the values must change no number.

    Args:
        base: a model with bitsandbytes layers.
        dtype: the type that the layers compute in.
    """
    for layer in base.modules():
        if is_quantized(layer):
            # Not a class of its own in its place: peft tells by the class how to adapt a layer.
            layer.forward = partial(_AtUse.apply, layer, dtype)


class _AtUse(torch.autograd.Function):
    """W x + v of a frozen 4-bit layer, whose W is made at each use and not kept."""

    @staticmethod
    def forward(ctx: Any, layer: Any, dtype: torch.dtype, x: torch.Tensor) -> torch.Tensor:
        ctx.layer, ctx.dtype = layer, dtype
        bias = None if layer.bias is None else layer.bias.data.to(dtype)
        return linear(x.to(dtype), dequantised(layer, dtype), bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        return None, None, grad @ dequantised(ctx.layer, ctx.dtype)


def _plain(layer: Any, dtype: torch.dtype) -> torch.nn.Linear:
    plain = torch.nn.Linear(
        layer.in_features, layer.out_features, layer.bias is not None, device="meta"
    )
    plain.weight = torch.nn.Parameter(dequantised(layer, dtype), requires_grad=False)
    if layer.bias is not None:
        plain.bias = torch.nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain
