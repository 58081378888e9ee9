"""What a GPU's step does value by value, as functions that torch compiles into one kernel each.

The matrix products of a step take a GPU a few milliseconds; each of the small operations between
them takes as long to launch as a product. Here they are plain functions of tensors. On a GPU
`compiled` makes one or two kernels of each; without it they compute the same, one operation after
the other, as the tests on a CPU do.

Everything is rounded to the type of the products once, at the end of a function.

Shapes: T tokens, `hidden` and `inner` features, r the rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from harness.training.fused.token_tree import TOKENS_STEP

LEVELS = 2**16
"""How many values of 16 random bits dropout's rate is a share of."""


def keep(seed: torch.Tensor, rows: int, columns: int, dropped: int) -> torch.Tensor:
    """Return which values dropout keeps, bool (rows, columns).

    A value's fate follows from the seed, its row and its column alone. So no mask is stored: the
    backward pass asks again, and what a batch is padded with changes nothing.

    Args:
        seed: (1,) int32.
        rows: T.
        columns: features.
        dropped: how many of `LEVELS` values of 16 bits are dropped.
    """
    row = torch.arange(rows, dtype=torch.int32, device=seed.device)[:, None]
    column = torch.arange(columns, dtype=torch.int32, device=seed.device)
    # murmur3's last mixing of 32 bits, in signed numbers that wrap around.
    mixed = (row * columns + column) * -1640531535 + seed
    mixed = mixed ^ ((mixed >> 16) & 0xFFFF)
    mixed = mixed * -2048144789
    mixed = mixed ^ ((mixed >> 13) & 0x7FFFF)
    mixed = mixed * -1028477387
    mixed = mixed ^ ((mixed >> 16) & 0xFFFF)
    return (mixed & 0xFFFF) >= dropped


def norm(
    x: torch.Tensor, weight: torch.Tensor, epsilon: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return w x / sqrt(mean(x^2) + epsilon) in `dtype`, and that root's inverse, (T, 1) float32.

    Args:
        x: (T, hidden) float32.
        weight: w, (hidden,) float32.
        epsilon: of the model.
        dtype: what the products compute in.
    """
    inverse = (x.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    return (x * inverse * weight).to(dtype), inverse


def added_norm(
    x: torch.Tensor,
    more: torch.Tensor,
    scale: torch.Tensor | None,
    weight: torch.Tensor,
    epsilon: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x + scale * more, (T, hidden) float32, its norm and the inverse; see `norm`.

    Args:
        x: (T, hidden) float32.
        more: (T, hidden).
        scale: (hidden,) float32, or None for 1.
        weight: w, (hidden,) float32.
        epsilon: of the model.
    """
    whole = added(x, more, scale)
    normed, inverse = norm(whole, weight, epsilon, more.dtype)
    return whole, normed, inverse


def added(x: torch.Tensor, more: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    """Return x + scale * more, (T, hidden) float32; a scale of None is 1."""
    wide = more.float()
    return x + (wide if scale is None else wide * scale)


def norm_backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    inverse: torch.Tensor,
    weight: torch.Tensor,
    around: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of x, (T, hidden), in float32 and in the type of `grad`.

    Args:
        grad: of the norm's result, (T, hidden).
        x: what was normalised, (T, hidden) float32.
        inverse: (T, 1) float32, of the forward pass.
        weight: (hidden,) float32.
        around: gradient that reaches x beside the norm, (T, hidden) float32.
    """
    weighted = grad.float() * weight
    along = (weighted * x).mean(-1, keepdim=True) * inverse.pow(3)
    whole = around + weighted * inverse - x * along
    return whole, whole.to(grad.dtype)


def rotate(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries and keys turned by their positions, and the values, each contiguous.

    Args:
        q: (T, heads, size).
        k: (T, kv_heads, size).
        v: (T, kv_heads, size).
        cosine: (T, 1, size) float32.
        sine: (T, 1, size) float32.
    """
    laid = v.clone(memory_format=torch.contiguous_format)
    return _turned(q, cosine, sine), _turned(k, cosine, sine), laid


def rotate_back(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
) -> torch.Tensor:
    """Return the gradients of what `rotate` was given, side by side: (T, all heads * size).

    Args:
        q: gradient of the queries that it returned, as are k and v.
        k: (T, kv_heads, size).
        v: (T, kv_heads, size).
        cosine: (T, 1, size) float32.
        sine: (T, 1, size) float32.
    """
    parts = (_turned(q, cosine, -sine), _turned(k, cosine, -sine), v)
    return torch.cat([part.reshape(len(part), -1) for part in parts], dim=1)


def _turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    wide = x.float()
    half = x.shape[-1] // 2
    swapped = torch.cat([-wide[..., half:], wide[..., :half]], dim=-1)
    return (wide * cosine + swapped * sine).to(x.dtype)


def entering(
    rows: torch.Tensor, a: torch.Tensor | None, seed: torch.Tensor | None, dropped: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a layer's two products take: rows with A below them, and rows after dropout.

    Args:
        rows: (T, features).
        a: A, (r, features), where W A^T is wanted too; None: the rows alone.
        seed: of dropout, (1,) int32, or None for no dropout.
        dropped: see `keep`.
    """
    low = rows if seed is None else rows * keep(seed, rows.shape[0], rows.shape[1], dropped)
    return (rows if a is None else torch.cat([rows, a])), low


def gated(
    gate: torch.Tensor,
    up: torch.Tensor,
    gate_scale: torch.Tensor | None,
    up_scale: torch.Tensor | None,
    a: torch.Tensor | None,
    seed: torch.Tensor | None,
    dropped: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return silu(gate) * up, (T, inner), as `entering` returns a layer's input.

    Args:
        gate: (T, inner), to be scaled by `gate_scale`.
        up: (T, inner), to be scaled by `up_scale`.
        gate_scale: DoRA's c of the gate, (inner,) float32, or None.
        up_scale: DoRA's c of the other, (inner,) float32, or None.
        a: A of the layer that follows, (r, inner), or None.
        seed: of that layer's dropout, or None.
        dropped: see `keep`.
    """
    wide_gate, wide_up = _scaled(gate, gate_scale), _scaled(up, up_scale)
    rows = (torch.nn.functional.silu(wide_gate) * wide_up).to(gate.dtype)
    return entering(rows, a, seed, dropped)


def gated_backward(
    grad: torch.Tensor,
    gate: torch.Tensor,
    up: torch.Tensor,
    gate_scale: torch.Tensor | None,
    up_scale: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Return the gradients of gate and up before their scaling, and of both scales.

    Args:
        grad: of silu(gate) * up, (T, inner).
        gate: see `gated`, as is what follows.
        up: (T, inner).
        gate_scale: (inner,) float32, or None.
        up_scale: (inner,) float32, or None.
    """
    # All of it in blocks of tokens, so that one kernel reads once, writes and adds up.
    wide, gates, ups = (_in_blocks(x) for x in (grad, gate, up))
    wide = wide.float()
    wide_gate, wide_up = _scaled(gates, gate_scale), _scaled(ups, up_scale)
    share = torch.sigmoid(wide_gate)
    of_up, of_up_scale = _unscaled(wide * wide_gate * share, ups, up_scale)
    of_gate, of_gate_scale = _unscaled(
        wide * wide_up * share * (1 + wide_gate * (1 - share)), gates, gate_scale
    )
    return of_gate.view(grad.shape), of_up.view(grad.shape), of_gate_scale, of_up_scale


def scale_backward(
    grad: torch.Tensor, before: torch.Tensor, scale: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the gradients of a layer's result before its scaling, (T, features), and of the scale.

    Args:
        grad: of the scaled result, (T, features) float32.
        before: the result before scaling, (T, features).
        scale: (features,) float32, or None for none.
    """
    result, of_scale = _unscaled(_in_blocks(grad), _in_blocks(before), scale)
    return result.view(grad.shape), of_scale


def _in_blocks(x: torch.Tensor) -> torch.Tensor:
    """Return (T, features) as (T / 64, 64, features)."""
    return x.view(-1, TOKENS_STEP, x.shape[1])


def _scaled(x: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    return x.float() if scale is None else x.float() * scale


def _unscaled(
    grad: torch.Tensor, before: torch.Tensor, scale: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if scale is None:
        return grad.to(before.dtype), None
    # In two steps: a sum over all tokens at once keeps few of a GPU's units busy.
    return (grad * scale).to(before.dtype), (grad * before.float()).sum(1).sum(0)


def add_kept(
    grad: torch.Tensor, low: torch.Tensor, seed: torch.Tensor, dropped: int
) -> torch.Tensor:
    """Return grad + keep * low, (T, features): what dropout lets through of a gradient.

    Args:
        grad: (T, features).
        low: (T, features).
        seed: (1,) int32.
        dropped: see `keep`.
    """
    return grad + low * keep(seed, grad.shape[0], grad.shape[1], dropped)


def dora_scale(
    magnitude: torch.Tensor,
    cross: torch.Tensor,
    b: torch.Tensor,
    b_gram: torch.Tensor,
    squares: torch.Tensor,
    scaling: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return c = m / ||W + s B A|| and that norm, (out,) float32; see `lowrank`.

    Args:
        magnitude: m, (out,) float32.
        cross: A W^T, (r, out).
        b: B, (out, r) float32.
        b_gram: B A A^T, (out, r).
        squares: ||W||^2 by rows, (out,) float32.
        scaling: s.
    """
    both = cross.float().T + b_gram.float() * (scaling / 2)
    norms = ((both * b).sum(-1) * (2 * scaling) + squares).sqrt()
    return magnitude / norms, norms


PLAIN: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        norm, added_norm, added, norm_backward, rotate, rotate_back, entering, gated,
        gated_backward, scale_backward, add_kept, dora_scale,
    )
}  # fmt: skip
"""The functions by name, as they are written."""

TOKENS_FIRST = {
    "norm": (0,), "added_norm": (0, 1), "added": (0, 1), "norm_backward": (0, 1, 2, 4),
    "rotate": (0, 1, 2, 3, 4), "rotate_back": (0, 1, 2, 3, 4), "entering": (0,),
    "gated": (0, 1), "gated_backward": (0, 1, 2),
    "scale_backward": (0, 1), "add_kept": (0, 1), "dora_scale": (),
}  # fmt: skip
"""Which arguments have one row for each token: their number of rows changes from batch to batch."""


@cache
def compiled() -> Mapping[str, Callable[..., Any]]:
    """Return the functions compiled; each is compiled once, for any number of tokens."""
    return {name: _compiled(function, TOKENS_FIRST[name]) for name, function in PLAIN.items()}


def _compiled(function: Callable[..., Any], of_tokens: tuple[int, ...]) -> Callable[..., Any]:
    # Without measuring several forms of a kernel: the fastest may sum in another order.
    fast = torch.compile(function, fullgraph=True, options={"deterministic": True})

    def call(*arguments: Any) -> Any:
        for place in of_tokens:
            # From the first call on, so that no batch is computed by a kernel of its own.
            torch._dynamo.maybe_mark_dynamic(arguments[place], 0)
        return fast(*arguments)

    return call
