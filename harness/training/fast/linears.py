"""The frozen linear layers in the form in which many steps use them; no value changes."""

from __future__ import annotations

from typing import Any

import torch

from harness.components import ModelSpec


def dequantised_bytes(model: ModelSpec, dtype: torch.dtype) -> int:
    """Return the size of the decoder's linear layers in `dtype`."""
    return model.linear_parameters() * dtype.itemsize


def hold_linears_in(base: Any, dtype: torch.dtype) -> None:
    """Hold the decoder's linear layers in the type that would be made of them at each use."""
    head = base.get_output_embeddings()
    for layer in base.modules():
        if type(layer) is torch.nn.Linear and layer is not head:
            layer.to(dtype)


def dequantise(base: torch.nn.Module, dtype: torch.dtype) -> None:
    """Replace quantized layers by plain ones with the same values.

    bitsandbytes dequantises a 4-bit layer at every use, on a CPU an 8-bit one too, and then
    multiplies in `dtype`; keeping the dequantised weights changes no bit of the result.
    """
    import bitsandbytes as bnb

    for parent in list(base.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, bnb.nn.Linear4bit | bnb.nn.Linear8bitLt):
                setattr(parent, name, _plain(layer, dtype))


def _plain(layer: Any, dtype: torch.dtype) -> torch.nn.Linear:
    import bitsandbytes as bnb

    weight = layer.weight
    if isinstance(layer, bnb.nn.Linear4bit):
        values = bnb.functional.dequantize_4bit(weight.data, weight.quant_state).to(dtype)
    else:
        # As bitsandbytes' own product on a CPU does it, rounding included.
        values = weight.CB.to(dtype).mul_(weight.SCB.unsqueeze(1).mul(1.0 / 127.0))
    plain = torch.nn.Linear(
        layer.in_features, layer.out_features, layer.bias is not None, device="meta"
    )
    plain.weight = torch.nn.Parameter(values, requires_grad=False)
    if layer.bias is not None:
        plain.bias = torch.nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain
