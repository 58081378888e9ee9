"""Attention over a `RowCache`: each row's tokens over its own line, in place.

Registered with transformers as an attention implementation, so that every model whose attention
goes through `AttentionInterface` uses it unchanged. Heads that share keys and values are folded
into the queries, so keys and values are never repeated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from harness.errors import EvaluationError
from harness.evaluation.decoder.packed_step import Block, PackedStep
from harness.evaluation.decoder.row_cache import RowCache

NAME = "harness_rows"

UNSUPPORTED = ("softcap", "s_aux", "position_bias")
"""What some models add to attention scores and this function does not."""


def attend_rows(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    step: PackedStep | None = None,
    row_cache: RowCache | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return what every token attends to, (1, tokens, heads, head_dim); no weights.

    Args:
        module: attention layer; says which layer of the cache is read.
        query: (1, heads, tokens, head_dim).
        key: written to the cache before; read from there.
        value: as `key`.
        attention_mask: None: the step holds the masks.
        scaling: of the scores.
        sliding_window: slots that a token sees at most.
        step: the forward pass.
        row_cache: where keys and values are.
        others: what this model passes besides.

    Raises:
        EvaluationError: the model asks for attention that this function does not compute.
    """
    if step is None or row_cache is None:
        raise EvaluationError(
            f"{type(module).__name__} does not hand its arguments on to attention;"
            " the harness cannot decode this model"
        )
    asked = [name for name in UNSUPPORTED if others.get(name) is not None]
    width = max(block.mask.shape[-1] for block in step.blocks)
    if sliding_window is not None and sliding_window < width:
        asked.append(f"a window of {sliding_window} tokens over a row of {width}")
    if asked:
        raise EvaluationError(
            f"{type(module).__name__} asks for {', '.join(asked)}, which the decoder does not"
            " compute; this model cannot be evaluated"
        )
    keys, values = row_cache.keys[module.layer_idx], row_cache.values[module.layer_idx]
    parts = [_attend(query[0], keys, values, block, scaling) for block in step.blocks]
    return torch.cat(parts)[None], None


def _attend(
    query: Tensor, keys: Tensor, values: Tensor, block: Block, scaling: float | None
) -> Tensor:
    """Return (rows * tokens, heads, head_dim) of one block."""
    rows, tokens, width = block.rows, block.tokens, block.mask.shape[-1]
    (heads, _, dim), kv_heads = query.shape, keys.shape[2]
    group = heads // kv_heads
    own = query[:, block.first_token : block.first_token + rows * tokens]
    folded = own.view(kv_heads, group, rows, tokens, dim).permute(2, 0, 1, 3, 4)
    lines = slice(block.first_line, block.first_line + rows)
    found = scaled_dot_product_attention(
        folded.reshape(rows, kv_heads, group * tokens, dim),
        keys[lines, :width].transpose(1, 2),
        values[lines, :width].transpose(1, 2),
        attn_mask=block.mask,
        scale=scaling,
    )
    unfolded = found.view(rows, kv_heads, group, tokens, -1).permute(0, 3, 1, 2, 4)
    return unfolded.reshape(rows * tokens, heads, -1)


AttentionInterface.register(NAME, attend_rows)
