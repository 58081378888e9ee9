"""LoRA and DoRA layers as one step of autograd each, over a base in full or in 4 bits.

LoRA   y = W x + s B A d(x) + v
DoRA   y = c (W x + s B A d(x)) + v,  c = m / ||W + s B A||      https://arxiv.org/abs/2402.09353

x is (tokens, in), W (out, in), A (r, in), B (out, r), m (out,), v the bias of a layer that has one,
and d is dropout.

**The norm.** It is taken over each row of W + s B A, one number for each output. (The paper says
columns: its W is transposed. Norms over torch's columns would be another method.) It is a constant
of the gradient, as section 4.3 there has it, and it is not made from W + s B A, which has W's size:

    ||W + s B A||^2  =  ||W||^2  +  2 s <W A^T, B>  +  s^2 <B A A^T, B>       row by row

W is frozen, so ||W||^2 is computed once; W A^T and B (A A^T) are (out, r): for a layer of 1536 by
576 and r = 8, arrays of 8 columns instead of 576. Squares are summed in float32 whatever the
layer's type: bfloat16's 8 bits would round each norm, and with it c, by up to 0.2 %.

**Dropout.** One thing differs from peft. With dropout, peft's DoRA computes

    y = W x + v + (c - 1) W d(x) + c s B A d(x)             peft 0.21, `DoraLinearLayer.forward`

for which it multiplies by W twice. Here dropout is on the low-rank path alone, as in the second
formula above: the mean of peft's over dropout masks on W's input, since the mean of d(x) is x, at
half the work. Without dropout the two are equal; with it, a run's figures are not those of peft's
layer. `train.exact_peft` trains with peft's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear

from harness.library_internals.bitsandbytes import dequantised
from harness.library_internals.peft import LoraLayer, plain_lora_layer


def speed_up(model: torch.nn.Module, dtype: torch.dtype) -> int:
    """Replace the forward of every LoRA or DoRA layer over a plain or 4-bit base by the fast one.

    Layers of other methods, and over an 8-bit base, keep peft's. A base in 4 bits is dequantised at
    each use: more work and less memory than one that is kept dequantised, and the same bits.

    Args:
        model: base with the adapter in place.
        dtype: what the layers compute in; norms and gradients of magnitudes are float32.

    Returns:
        How many layers were replaced.
    """
    found = [(m, parts) for m in model.modules() if (parts := plain_lora_layer(m)) is not None]
    for layer, parts in found:
        layer.forward = _fast_forward(layer, parts, dtype)
    return len(found)


def weight_source(base: Any, dtype: torch.dtype) -> Callable[[], torch.Tensor]:
    """Return a function that returns W, (out, in), in `dtype`."""
    if type(base) is torch.nn.Linear:
        weight = base.weight
        return lambda: weight.to(dtype)
    return lambda: dequantised(base, dtype)


def _fast_forward(
    layer: torch.nn.Module, parts: LoraLayer, dtype: torch.dtype
) -> Callable[[torch.Tensor], torch.Tensor]:
    # What is taken here once must not change later: W is frozen, and the trainer writes new values
    # of A, B and m into these tensors (`copy_`); a tensor in their place would not be seen.
    source = weight_source(parts.base, dtype)
    a, b, magnitude, norms = parts.a, parts.b, parts.magnitude, None
    bias: Any = parts.base.bias
    if magnitude is not None:
        norms = torch.linalg.vecdot(source().float(), source().float())

    def forward(x: torch.Tensor) -> torch.Tensor:
        p = parts.dropout if layer.training else 0.0
        weight, factor = source(), None
        # The types below are chosen one by one; autocast would round the norms.
        with torch.autocast(x.device.type, enabled=False):
            if magnitude is not None and norms is not None:
                factor = magnitude / row_norms(weight, norms, a, b, parts.scaling)
            result: torch.Tensor = _LowRank.apply(  # type: ignore[no-untyped-call]  # torch's own
                x, weight, source, a, b, parts.scaling, p, factor
            )
            # Outside of the step: DoRA's factor scales the products alone, and the bias is frozen.
            if bias is not None:
                result = result + bias.to(dtype)
        return result

    return forward


@torch.no_grad()
def row_norms(
    weight: torch.Tensor, squares: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Return ||W + s B A|| by rows, (out,) float32; see the module's text.

    Args:
        weight: W, (out, in).
        squares: ||W||^2 by rows, (out,) float32.
        a: A, (r, in) float32.
        b: B, (out, r) float32.
        scaling: s.
    """
    # ||W||^2 + 2 s <W A^T + (s / 2) B A A^T, B>: both products with B are one.
    cross = linear(weight, a.to(weight.dtype)).float()
    cross.add_(linear(b, a @ a.T), alpha=scaling / 2)
    norms: torch.Tensor = torch.linalg.vecdot(cross, b).mul_(2 * scaling).add_(squares).sqrt_()
    return norms


DROPOUT_LEVELS = 2**16
"""How many values 16 random bits have. Dropout compares them with p, so its rate is p rounded to
1/65,536: p = 0.075 drops 4,915 of 65,536, and what is kept is divided by 60,621 / 65,536, so that
the mean is exactly kept."""


def keep_mask(like: torch.Tensor, dropout: float) -> torch.Tensor:
    """Return 1 where to keep and 0 where to drop, uint8 of the shape of `like`.

    It takes a quarter of the time of `bernoulli_`. Multiplying by it takes a third of the time of
    `masked_fill`, which goes value by value on a CPU.

    Args:
        like: gives shape and device, whose generator is drawn from; its values are not read.
        dropout: the rate p, in [0, 1).
    """
    # Four values of 16 bits out of each draw of 64. As signed numbers they run from -32,768 on, and
    # the lowest `round(p * 65,536)` of them are dropped.
    numbers = torch.empty((like.numel() + 3) // 4, dtype=torch.int64, device=like.device)
    bits = numbers.random_(-(2**63), None).view(torch.int16)[: like.numel()]
    lowest_kept = round(dropout * DROPOUT_LEVELS) - DROPOUT_LEVELS // 2
    return (bits >= lowest_kept).view(torch.uint8).view(like.shape)


def kept_share(dropout: float) -> float:
    """Return the share of values that `keep_mask` keeps in the mean."""
    return 1 - round(dropout * DROPOUT_LEVELS) / DROPOUT_LEVELS


class _LowRank(torch.autograd.Function):
    """c (W x + s B A d(x)) over the last dimension of x, in the type of W, which is frozen.

    W itself is not kept for the backward pass: `source` gives it again, which for a base in 4 bits
    means dequantising it again, and for one in full costs nothing.
    """

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
            # The scale of dropout is put on A, (r, in), instead of x, (tokens, in).
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
            # The derivative of c f by c is f. f itself was overwritten by c f, the layer's result,
            # which the next layer keeps anyway: f is that divided by c, which is never 0 (m is a
            # norm when training begins), and one array of this size less is kept for each layer.
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
