"""LoRA and DoRA layers as one step of autograd each, for the base layers that are kept in full.

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


def speed_up(model: torch.nn.Module) -> int:
    """Replace the forward of every plain LoRA or DoRA layer in `model` by the fast one.

    Layers of other methods, and over a quantized base, keep peft's.

    Returns:
        How many were replaced.
    """
    from peft.tuners.lora.layer import Linear

    layers = [m for m in model.modules() if type(m) is Linear and _is_plain(m)]
    for layer in layers:
        layer.forward = _fast_forward(layer)
    return len(layers)


def _is_plain(layer: Any) -> bool:
    from peft.tuners.lora.variants import DoraLinearVariant

    base = layer.get_base_layer()
    variant = layer.lora_variant.get(ADAPTER)
    return (
        type(base) is torch.nn.Linear
        and base.bias is None
        and list(layer.lora_A) == [ADAPTER]
        and layer.lora_A[ADAPTER].bias is None
        and layer.lora_B[ADAPTER].bias is None
        and not layer.fan_in_fan_out
        and (variant is None or type(variant) is DoraLinearVariant)
    )


def _fast_forward(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    weight = layer.get_base_layer().weight
    a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    scaling = float(layer.scaling[ADAPTER])
    dropout = float(getattr(layer.lora_dropout[ADAPTER], "p", 0.0))
    magnitude = norms = None
    if ADAPTER in layer.lora_variant:
        magnitude = layer.lora_magnitude_vector[ADAPTER].weight
        norms = torch.linalg.vecdot(weight, weight)

    def forward(x: torch.Tensor) -> torch.Tensor:
        p = dropout if layer.training else 0.0
        factor = None
        if magnitude is not None and norms is not None:
            factor = magnitude / row_norms(weight, norms, a, b, scaling)
        result: torch.Tensor = _LowRank.apply(  # type: ignore[no-untyped-call]  # torch's own
            x, weight, a, b, scaling, p, factor
        )
        return result

    return forward


@torch.no_grad()
def row_norms(
    weight: torch.Tensor, squares: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Return ||W + s B A|| by rows, (out,).

    Args:
        weight: W, (out, in).
        squares: ||W||^2 by rows, (out,).
        a: A, (r, in).
        b: B, (out, r).
        scaling: s.
    """
    cross = linear(weight, a.to(weight.dtype)).add_(linear(b, a @ a.T), alpha=scaling / 2)
    norms: torch.Tensor = torch.linalg.vecdot(cross, b).mul_(2 * scaling).add_(squares).sqrt_()
    return norms


LEVELS = 2**16
"""Dropout compares 16 random bits with p: its rate is p to 1/65,536, and its scale is of that."""


def drop_mask(like: torch.Tensor, dropout: float) -> torch.Tensor:
    """Return where to drop, bool, from torch's generator: a quarter of what bernoulli_ takes."""
    numbers = torch.empty((like.numel() + 3) // 4, dtype=torch.int64, device=like.device)
    bits = numbers.random_(-(2**63), None).view(torch.int16)[: like.numel()]
    return (bits < round(dropout * LEVELS) - LEVELS // 2).view(like.shape)


def kept_share(dropout: float) -> float:
    """Return the share of values that `drop_mask` keeps in the mean."""
    return 1 - round(dropout * LEVELS) / LEVELS


class _LowRank(torch.autograd.Function):
    """c (W x + s B A d(x)) over the last dimension of x; W is frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
        dropout: float,
        factor: torch.Tensor | None,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        drop, low_rows = None, rows
        if dropout > 0:
            drop = drop_mask(rows, dropout)
            low_rows = rows.masked_fill(drop, 0)
            a = a / kept_share(dropout)
        low = linear(low_rows, a)
        full = linear(rows, weight)
        full.addmm_(low, b.T, alpha=scaling)
        ctx.scaling, ctx.dropout = scaling, dropout
        kept = None if factor is None else full
        ctx.save_for_backward(rows, drop, low, weight, a, b, factor, kept)
        result = full if factor is None else full * factor
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, drop, low, weight, a, b, factor, full = ctx.saved_tensors
        shape = (*grad.shape[:-1], rows.shape[-1])
        grad = grad.reshape(-1, grad.shape[-1])
        grad_factor = None
        if factor is not None:
            grad_factor = (grad * full).sum(0)
            grad = grad * factor
        scaled = (grad @ b).mul_(ctx.scaling)
        grad_a = None
        if ctx.needs_input_grad[2]:
            grad_a = scaled.T @ (rows if drop is None else rows.masked_fill(drop, 0))
            if drop is not None:
                grad_a /= kept_share(ctx.dropout)
        grad_b = (grad.T @ low).mul_(ctx.scaling) if ctx.needs_input_grad[3] else None
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad @ weight
            if drop is None:
                grad_x.addmm_(scaled, a)
            else:
                grad_x += (scaled @ a).masked_fill_(drop, 0)
            grad_x = grad_x.view(shape)
        return grad_x, None, grad_a, grad_b, None, None, grad_factor
