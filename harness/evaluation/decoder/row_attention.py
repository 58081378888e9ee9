"""Attention over a `RowCache`: each row's tokens over its own line, in place.

transformers knows it as an attention implementation, so every model whose attention goes through
`AttentionInterface` uses it unchanged.

Heads that share keys and values are folded into the queries, so keys and values are never repeated.
With 9 query heads over 3 kv heads and 2 tokens a row, kv head 0 is asked by heads 0 1 2: its
queries are those of head 0 for tokens 0 1, of head 1 for tokens 0 1, of head 2 for tokens 0 1. The
block's mask holds what the two tokens see three times over, in that order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from harness.errors import EvaluationError
from harness.evaluation.decoder.packed_step import Block, PackedStep
from harness.evaluation.decoder.row_cache import RowCache

ROW_ATTENTION = "harness_rows"
"""The name under which transformers finds `attend_rows`."""

UNSUPPORTED = ("s_aux", "position_bias")
"""Arguments by which some models change attention scores in ways that this function does not."""


def register() -> None:
    """Make `attn_implementation="harness_rows"` known to transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(ROW_ATTENTION, attend_rows)


def attend_rows(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    step: PackedStep | None = None,
    row_cache: RowCache | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return what every token attends to; no weights.

    The signature is that of transformers' attention functions. All tensors are float32.

    Args:
        module: attention layer; says which layer of the cache is read.
        query: (1, heads, tokens, head_dim).
        key: (1, kv_heads, tokens, head_dim); not read: `RowCache.update` has put it in its slots.
        value: as `key`.
        attention_mask: None; the step holds the masks.
        scaling: factor of the scores; None: one over the root of head_dim.
        sliding_window: how many places of the official batch a token sees at most, or None.
        softcap: bound c of the scores s, which become c tanh(s / c), or None. Gemma 2's.
        step: the forward pass.
        row_cache: where keys and values are.
        others: what this model passes besides.

    Returns:
        (1, tokens, heads, head_dim), and None for the weights.

    Raises:
        EvaluationError: the model asks for attention that this function does not compute.
    """
    if step is None or row_cache is None:
        raise EvaluationError(
            f"{type(module).__name__} does not hand its arguments on to attention;"
            " the harness cannot decode this model"
        )
    asked = [name for name in UNSUPPORTED if others.get(name) is not None]
    if asked:
        raise EvaluationError(
            f"{type(module).__name__} asks for {', '.join(asked)}, which the decoder does not"
            " compute; this model cannot be evaluated"
        )
    keys, values = row_cache.keys[module.layer_idx], row_cache.values[module.layer_idx]
    parts = [
        _attend(query[0], keys, values, block, (scaling, sliding_window, softcap))
        for block in step.blocks
    ]
    return torch.cat(parts)[None], None


def _attend(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    block: Block,
    asked: tuple[float | None, int | None, float | None],
) -> Tensor:
    """Return (tokens of the block, heads, head_dim) of one block.

    `asked` is the factor of the scores, the window and the bound of the scores.
    """
    scaling, window, softcap = asked
    rows, tokens, width = block.rows, block.tokens, block.mask.shape[-1]
    gather = block.gather
    (heads, _, dim), kv_heads = query.shape, keys.shape[2]
    group = heads // kv_heads
    if gather is None:
        own = query[:, block.first_token : block.first_token + rows * tokens]
        lines = slice(block.first_line, block.first_line + rows)
        held_keys, held_values = keys[lines, :width], values[lines, :width]
    else:
        own = query.index_select(1, gather.queries)
        held_keys, held_values = (
            item[:, :width].index_select(0, gather.lines) for item in (keys, values)
        )
    folded = own.view(kv_heads, group, rows, tokens, dim).permute(2, 0, 1, 3, 4)
    parts = (
        folded.reshape(rows, kv_heads, group * tokens, dim),
        held_keys.transpose(1, 2),
        held_values.transpose(1, 2),
    )
    mask = block.mask_within(window)
    if softcap is None:
        found = scaled_dot_product_attention(*parts, attn_mask=mask, scale=scaling)
    else:
        found = _capped(*parts, mask, dim**-0.5 if scaling is None else scaling, softcap)
    unfolded = found.view(rows, kv_heads, group, tokens, -1).permute(0, 3, 1, 2, 4)
    flat = unfolded.reshape(rows * tokens, heads, -1)
    return flat if gather is None else flat.index_select(0, gather.collect)


def _capped(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scaling: float, softcap: float
) -> Tensor:
    """Return attention whose scores are bounded before they are masked.

    Source: transformers 5.24, `models/gemma2/modeling_gemma2.py`, `eager_attention_forward`.

    Raises:
        EvaluationError: a token sees nothing; that code would then average over what is hidden.
    """
    if bool(torch.isinf(mask).all(-1).any()):
        raise EvaluationError(
            "a pad stands farther from its prompt than the model's sliding window reaches, in a"
            " model that bounds its scores; upstream's answer would be made of pads"
        )
    scores = torch.tanh((query @ keys.transpose(-1, -2)) * scaling / softcap) * softcap + mask
    return torch.softmax(scores, dim=-1) @ values
