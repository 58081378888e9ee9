"""Attention over a token tree as kernels in Triton, for a GPU; `tree_attention` chooses and tests.

A program has one block of queries, or of keys, of one head. It skips what no token of its block
sees, so that examples cost what they cost alone; and as no two programs add to one value, sums are
always taken in one order. Triton comes with torch's builds for CUDA.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 64
"""Queries and keys of a block; a batch has a multiple of it."""


@triton.jit
def _seen(first, last, rows, columns):
    """Which keys (columns) the queries (rows) see: (rows, columns)."""
    own = tl.load(first + rows)[:, None]
    start = tl.load(first + columns)[None, :]
    end = tl.load(last + columns)[None, :]
    return (start <= own) & (own < end)


@triton.jit
def _may_see(bounds, blocks, of_queries, of_keys):
    """Whether some query of one block may see some key of another, by their bounds."""
    lowest = tl.load(bounds + of_queries)
    highest = tl.load(bounds + blocks + of_queries)
    start = tl.load(bounds + of_keys)
    end = tl.load(bounds + 2 * blocks + of_keys)
    return (start <= highest) & (end > lowest)


@triton.jit
def _forward(
    q, k, v, first, last, bounds, out, lse,
    scale, tokens, HEADS: tl.constexpr, GROUP: tl.constexpr, SIZE: tl.constexpr,
    BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    block, head = tl.program_id(0), tl.program_id(1)
    lanes, dims = tl.arange(0, BLOCK), tl.arange(0, SIZE)
    rows = block * BLOCK + lanes
    place = rows[:, None] * (HEADS * SIZE) + head * SIZE + dims[None, :]
    kv_place = lanes[:, None] * (HEADS // GROUP * SIZE) + head // GROUP * SIZE + dims[None, :]
    queries = tl.load(q + place)
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    sums = tl.zeros([BLOCK, SIZE], tl.float32)
    # A token stands behind all that it sees, so later blocks of keys need no look.
    for number in range(block + 1):
        if _may_see(bounds, tokens // BLOCK, block, number):
            seen = _seen(first, last, rows, number * BLOCK + lanes)
            shift = number * BLOCK * (HEADS // GROUP * SIZE)
            keys = tl.load(k + shift + kv_place)
            scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) * scale
            scores = tl.where(seen, scores, float("-inf"))
            higher = tl.maximum(top, tl.max(scores, 1))
            # A row that has seen nothing yet stays at minus infinity, without NaN.
            safe = tl.where(higher == float("-inf"), 0.0, higher)
            weights = tl.exp(scores - safe[:, None])
            fading = tl.exp(top - safe)
            total = total * fading + tl.sum(weights, 1)
            values = tl.load(v + shift + kv_place)
            sums = sums * fading[:, None]
            sums += tl.dot(weights.to(values.dtype), values, input_precision=PRECISION)
            top = higher
    tl.store(out + place, (sums / total[:, None]).to(out.dtype.element_ty))
    tl.store(lse + head * tokens + rows, top + tl.log(total))


@triton.jit
def _backward_queries(
    q, k, v, first, last, bounds, out, lse, grad,
    grad_q, along,
    scale, tokens, HEADS: tl.constexpr, GROUP: tl.constexpr, SIZE: tl.constexpr,
    BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    block, head = tl.program_id(0), tl.program_id(1)
    lanes, dims = tl.arange(0, BLOCK), tl.arange(0, SIZE)
    rows = block * BLOCK + lanes
    place = rows[:, None] * (HEADS * SIZE) + head * SIZE + dims[None, :]
    kv_place = lanes[:, None] * (HEADS // GROUP * SIZE) + head // GROUP * SIZE + dims[None, :]
    queries, grads = tl.load(q + place), tl.load(grad + place)
    inner = tl.sum(grads.to(tl.float32) * tl.load(out + place).to(tl.float32), 1)
    tl.store(along + head * tokens + rows, inner)
    normal = tl.load(lse + head * tokens + rows)
    sums = tl.zeros([BLOCK, SIZE], tl.float32)
    for number in range(block + 1):
        if _may_see(bounds, tokens // BLOCK, block, number):
            seen = _seen(first, last, rows, number * BLOCK + lanes)
            shift = number * BLOCK * (HEADS // GROUP * SIZE)
            keys, values = tl.load(k + shift + kv_place), tl.load(v + shift + kv_place)
            scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) * scale
            weights = tl.where(seen, tl.exp(scores - normal[:, None]), 0.0)
            pull = tl.dot(grads, tl.trans(values), input_precision=PRECISION)
            of_scores = (weights * (pull - inner[:, None]) * scale).to(keys.dtype)
            sums += tl.dot(of_scores, keys, input_precision=PRECISION)
    tl.store(grad_q + place, sums.to(grad_q.dtype.element_ty))


@triton.jit
def _backward_keys(
    q, k, v, first, last, bounds, lse, along, grad,
    grad_k, grad_v,
    scale, tokens, HEADS: tl.constexpr, GROUP: tl.constexpr, SIZE: tl.constexpr,
    BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    block, kv_head = tl.program_id(0), tl.program_id(1)
    lanes, dims = tl.arange(0, BLOCK), tl.arange(0, SIZE)
    columns = block * BLOCK + lanes
    kv_place = columns[:, None] * (HEADS // GROUP * SIZE) + kv_head * SIZE + dims[None, :]
    keys, values = tl.load(k + kv_place), tl.load(v + kv_place)
    of_keys = tl.zeros([BLOCK, SIZE], tl.float32)
    of_values = tl.zeros([BLOCK, SIZE], tl.float32)
    for number in range(block, tokens // BLOCK):
        rows = number * BLOCK + lanes
        if _may_see(bounds, tokens // BLOCK, number, block):
            seen = _seen(first, last, rows, columns)
            for member in range(GROUP):
                head = kv_head * GROUP + member
                place = rows[:, None] * (HEADS * SIZE) + head * SIZE + dims[None, :]
                queries, grads = tl.load(q + place), tl.load(grad + place)
                normal = tl.load(lse + head * tokens + rows)
                inner = tl.load(along + head * tokens + rows)
                scores = tl.dot(queries, tl.trans(keys), input_precision=PRECISION) * scale
                weights = tl.where(seen, tl.exp(scores - normal[:, None]), 0.0)
                pull = tl.dot(grads, tl.trans(values), input_precision=PRECISION)
                of_scores = (weights * (pull - inner[:, None]) * scale).to(queries.dtype)
                turned = tl.trans(weights).to(grads.dtype)
                of_values += tl.dot(turned, grads, input_precision=PRECISION)
                of_keys += tl.dot(tl.trans(of_scores), queries, input_precision=PRECISION)
    tl.store(grad_k + kv_place, of_keys.to(grad_k.dtype.element_ty))
    tl.store(grad_v + kv_place, of_values.to(grad_v.dtype.element_ty))


def bounds_of(first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Return the lowest and highest `first` and the highest `last` of each block, (3, T / BLOCK).

    Args:
        first: (T,) int64; see `token_tree`.
        last: (T,) int64.
    """
    rows = first.view(-1, BLOCK)
    return torch.stack([rows.amin(1), rows.amax(1), last.view(-1, BLOCK).amax(1)])


def _sizes(q: torch.Tensor, k: torch.Tensor) -> dict[str, Any]:
    return {
        "HEADS": q.shape[1], "GROUP": q.shape[1] // k.shape[1], "SIZE": q.shape[2],
        "BLOCK": BLOCK, "PRECISION": "ieee", "num_warps": 4,
    }  # fmt: skip


def forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    first: torch.Tensor,
    last: torch.Tensor,
    bounds: torch.Tensor,
    scaling: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what every token attends to, (T, heads, size), and its scores' logarithmic sums.

    Args:
        q: (T, heads, size), contiguous; T is a multiple of `BLOCK`, size a power of 2 from 16 on.
        k: (T, kv_heads, size), contiguous.
        v: (T, kv_heads, size), contiguous.
        first: (T,) int64; see `token_tree`.
        last: (T,) int64.
        bounds: of `bounds_of`.
        scaling: factor of the scores.
    """
    tokens, heads, _ = q.shape
    out = torch.empty_like(q)
    lse = torch.empty((heads, tokens), dtype=torch.float32, device=q.device)
    _forward[(tokens // BLOCK, heads)](
        q, k, v, first, last, bounds, out, lse, scaling, tokens, **_sizes(q, k)
    )
    return out, lse


def backward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    first: torch.Tensor,
    last: torch.Tensor,
    bounds: torch.Tensor,
    scaling: float,
    out: torch.Tensor,
    lse: torch.Tensor,
    grad: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of queries, keys and values.

    Args:
        q: see `forward`, as is what follows.
        k: (T, kv_heads, size).
        v: (T, kv_heads, size).
        first: (T,) int64.
        last: (T,) int64.
        bounds: of `bounds_of`.
        scaling: factor of the scores.
        out: the result of `forward`.
        lse: (heads, T) float32, of `forward`.
        grad: of the result, (T, heads, size), contiguous.
    """
    tokens, heads, _ = q.shape
    grad_q, grad_k, grad_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    along = torch.empty_like(lse)
    sizes = _sizes(q, k)
    _backward_queries[(tokens // BLOCK, heads)](
        q, k, v, first, last, bounds, out, lse, grad, grad_q, along, scaling, tokens, **sizes
    )
    _backward_keys[(tokens // BLOCK, k.shape[1])](
        q, k, v, first, last, bounds, lse, along, grad, grad_k, grad_v, scaling, tokens, **sizes
    )
    return grad_q, grad_k, grad_v
