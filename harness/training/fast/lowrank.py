"""LoRA and DoRA layers as one step of autograd each, over a base in full or in 4 bits.

LoRA   y = W x + s B A d(x)
DoRA   y = c (W x + s B A d(x)),  c = m / ||W + s B A||          https://arxiv.org/abs/2402.09353

d is dropout. The norm is taken by rows, as a constant of the gradient (section 4.3 there), from
||W + s B A||^2 = ||W||^2 + 2 s <W A^T, B> + s^2 <B A A^T, B>, by rows: nothing of W's size is made.

One thing differs from peft: with dropout, peft's DoRA takes c - 1 times W d(x), for which it
multiplies by W twice. Here dropout is on the low-rank path alone, which is the mean of that over
dropout masks, at half the work. Without dropout the two are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear

ADAPTER = "default"
"""Name that peft gives to the only adapter of a model."""


def speed_up(model: torch.nn.Module, dtype: torch.dtype) -> int:
    """Replace the forward of every LoRA or DoRA layer over a plain or 4-bit base by the fast one.

    Layers of other methods, and over an 8-bit base, keep peft's. A base in 4 bits is dequantised at
    each use: more work and less memory than one that is kept dequantised, and the same bits.

    Args:
        model: base with the adapter in place.
        dtype: what the layers compute in; norms and gradients of magnitudes are float32.

    Returns:
        How many were replaced.
    """
    layers = [m for m in model.modules() if _is_fast(m)]
    for layer in layers:
        layer.forward = _fast_forward(layer, dtype)
    return len(layers)


def _is_fast(layer: Any) -> bool:
    from peft.tuners.lora.bnb import Linear4bit
    from peft.tuners.lora.layer import Linear
    from peft.tuners.lora.variants import DoraLinearVariant

    if type(layer) not in (Linear, Linear4bit):
        return False
    base = layer.get_base_layer()
    variant = layer.lora_variant.get(ADAPTER)
    return (
        (type(layer) is Linear4bit or type(base) is torch.nn.Linear)
        and base.bias is None
        and list(layer.lora_A) == [ADAPTER]
        and layer.lora_A[ADAPTER].bias is None
        and layer.lora_B[ADAPTER].bias is None
        and not layer.fan_in_fan_out
        and (variant is None or type(variant) is DoraLinearVariant)
    )


def _weight_source(base: Any, dtype: torch.dtype) -> Callable[[], torch.Tensor]:
    """Return a function that returns W, (out, in), in `dtype`."""
    weight: torch.Tensor = base.weight
    if type(base) is torch.nn.Linear:
        return lambda: weight.to(dtype)
    from bitsandbytes.functional import dequantize_4bit

    return lambda: dequantize_4bit(weight.data, base.weight.quant_state).to(dtype)


def _fast_forward(layer: Any, dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    source = _weight_source(layer.get_base_layer(), dtype)
    a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    scaling = float(layer.scaling[ADAPTER])
    dropout = float(getattr(layer.lora_dropout[ADAPTER], "p", 0.0))
    magnitude = norms = None
    if ADAPTER in layer.lora_variant:
        magnitude = layer.lora_magnitude_vector[ADAPTER].weight
        norms = torch.linalg.vecdot(source().float(), source().float())

    def forward(x: torch.Tensor) -> torch.Tensor:
        p = dropout if layer.training else 0.0
        weight, factor = source(), None
        # The types below are chosen one by one; autocast would round the norms.
        with torch.autocast(x.device.type, enabled=False):
            if magnitude is not None and norms is not None:
                factor = magnitude / row_norms(weight, norms, a, b, scaling)
            result: torch.Tensor = _LowRank.apply(  # type: ignore[no-untyped-call]  # torch's own
                x, weight, source, a, b, scaling, p, factor
            )
        return result

    return forward


@torch.no_grad()
def row_norms(
    weight: torch.Tensor, squares: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Return ||W + s B A|| by rows, (out,) float32.

    Args:
        weight: W, (out, in).
        squares: ||W||^2 by rows, (out,) float32.
        a: A, (r, in) float32.
        b: B, (out, r) float32.
        scaling: s.
    """
    cross = linear(weight, a.to(weight.dtype)).float()
    cross.add_(linear(b, a @ a.T), alpha=scaling / 2)
    norms: torch.Tensor = torch.linalg.vecdot(cross, b).mul_(2 * scaling).add_(squares).sqrt_()
    return norms


LEVELS = 2**16
"""Dropout compares 16 random bits with p: its rate is p to 1/65,536, and its scale is of that."""


def keep_mask(like: torch.Tensor, dropout: float) -> torch.Tensor:
    """Return 1 where to keep and 0 where to drop, uint8, from torch's generator.

    It takes a quarter of the time of `bernoulli_`. Multiplying by it takes a third of the time of
    `masked_fill`, which goes value by value on a CPU.
    """
    numbers = torch.empty((like.numel() + 3) // 4, dtype=torch.int64, device=like.device)
    bits = numbers.random_(-(2**63), None).view(torch.int16)[: like.numel()]
    return (bits >= round(dropout * LEVELS) - LEVELS // 2).view(torch.uint8).view(like.shape)


def kept_share(dropout: float) -> float:
    """Return the share of values that `keep_mask` keeps in the mean."""
    return 1 - round(dropout * LEVELS) / LEVELS


class _LowRank(torch.autograd.Function):
    """c (W x + s B A d(x)) over the last dimension of x, in the type of W, which is frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        source: Callable[[], torch.Tensor],
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
        dropout: float,
        factor: torch.Tensor | None,
    ) -> torch.Tensor:
        dtype = weight.dtype
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        keep, low_rows = None, rows
        if dropout > 0:
            keep = keep_mask(rows, dropout)
            low_rows = rows * keep.to(dtype)
            a = a / kept_share(dropout)
        a, b = a.to(dtype), b.to(dtype)
        low = linear(low_rows, a)
        result = linear(rows, weight)
        result.addmm_(low, b.T, alpha=scaling)
        if factor is not None:
            result.mul_(factor)
        ctx.scaling, ctx.dropout, ctx.source = scaling, dropout, source
        scaled = None if factor is None else result
        ctx.save_for_backward(rows, keep, low, a, b, factor, scaled)
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, keep, low, a, b, factor, result = ctx.saved_tensors
        kept = None if keep is None else keep.to(rows.dtype)
        shape = (*grad.shape[:-1], rows.shape[-1])
        grad = grad.reshape(-1, grad.shape[-1])
        grad_factor = None
        if factor is not None:
            # Of c f with respect to c it is f: the result, which others keep too, divided by c.
            products = grad * result
            grad_factor = products.sum(0, dtype=torch.float32) / factor
            grad = torch.mul(grad, factor, out=products)
        scaled = (grad @ b).mul_(ctx.scaling)
        grad_a = None
        if ctx.needs_input_grad[3]:
            grad_a = scaled.T @ (rows if kept is None else rows * kept)
            if kept is not None:
                grad_a /= kept_share(ctx.dropout)
        grad_b = (grad.T @ low).mul_(ctx.scaling) if ctx.needs_input_grad[4] else None
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad @ ctx.source()
            if kept is None:
                grad_x.addmm_(scaled, a)
            else:
                grad_x.addcmul_(scaled @ a, kept)
            grad_x = grad_x.view(shape)
        return grad_x, None, None, grad_a, grad_b, None, None, grad_factor
