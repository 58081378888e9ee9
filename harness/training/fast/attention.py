"""Attention over a packed batch: each token attends to the tokens before it in its example.

The blocks of `harness.training.fast.packing` stand where a padded batch has its rows. For the two
examples that are walked through there the model computes queries, keys and values of 6 tokens; here
they are spread to 4 blocks of 2 queries over 5 keys, attended to, and 6 results are collected. A
key that several blocks need is copied to each: it is computed once, and autograd adds up what the
copies' gradients are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from harness.errors import PluginError
from harness.training.fast.packing import BLOCK, Packed

PACKED_ATTENTION = "harness_packed"
"""The name under which transformers finds `packed_attention`."""

UNKNOWN = ("s_aux", "position_bias")
"""Arguments by which some models change attention scores in ways that are not computed here."""


def register() -> None:
    """Make `attn_implementation="harness_packed"` known to transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED_ATTENTION, packed_attention)


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    packed: Packed,
    scaling: float,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Return what every token attends to, causally and within its example.

    The signature is that of transformers' attention functions. All tensors have the type in which
    the model computes, float32 or bfloat16.

    Args:
        module: the attention module; not used.
        query: (1, heads, T, head_dim).
        key: (1, kv_heads, T, head_dim).
        value: (1, kv_heads, T, head_dim).
        attention_mask: None; the masks are in `packed`.
        packed: which token is where.
        scaling: factor of the scores.
        dropout: rate of the dropout of attention weights, in [0, 1); 0 in the models we know.
        sliding_window: how many tokens a token sees at most, itself included; None: all before it.
        softcap: bound c of the scores s, which become c tanh(s / c); None: none. Gemma 2's.
        others: what this model passes besides.

    Returns:
        (1, T, heads, head_dim), and None for the weights.

    Raises:
        PluginError: the model asks for attention that this function does not compute.
    """
    if asked := [name for name in UNKNOWN if others.get(name) is not None]:
        raise PluginError(
            f"{type(module).__name__} asks for {', '.join(asked)}, which packed attention does not"
            " compute; train this model with train.exact_peft=true"
        )

    def spread(tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return (R, heads, places of a block, head_dim) of (1, heads, T, head_dim)."""
        _, heads, _, size = tensor.shape
        rows = tensor[0].transpose(0, 1).reshape(-1, heads * size).index_select(0, places)
        return rows.view(len(packed.mask), -1, heads, size).transpose(1, 2)

    grouped = query.shape[1] != key.shape[1]
    if grouped and (query.is_cuda or softcap is not None):
        key, value = (_for_each_query_head(item, query.shape[1]) for item in (key, value))
        grouped = False
    mask = _within(packed, sliding_window).to(query.dtype)
    parts = (
        spread(query, packed.queries), spread(key, packed.keys), spread(value, packed.keys)
    )  # fmt: skip
    if softcap is None:
        result = scaled_dot_product_attention(
            *parts, attn_mask=mask, dropout_p=dropout, scale=scaling, enable_gqa=grouped
        )
    else:
        result = capped_attention(*parts, mask, scaling, softcap, dropout)
    rows = result.transpose(1, 2).reshape(-1, result.shape[1] * result.shape[3])
    collected = rows.index_select(0, packed.collect)
    return collected.view(1, -1, result.shape[1], result.shape[3]), None


def _within(packed: Packed, window: int | None) -> torch.Tensor:
    """Return the batch's mask, with what is `window` tokens or more before a query hidden too.

    Key j of a block is the token at position j of its example; see `packing`.
    """
    length = packed.mask.shape[-1]
    if window is None or window >= length:
        return packed.mask
    place = packed.positions[0][packed.queries].view(-1, 1, BLOCK, 1)
    before = torch.arange(length, device=place.device) <= place - window
    return packed.mask.masked_fill(before, float("-inf"))


def capped_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float,
    softcap: float,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Return attention whose scores are bounded before they are masked; torch has no kernel of it.

    Args:
        query: (rows, heads, queries, head_dim), of the type of the result.
        key: (rows, heads, keys, head_dim).
        value: as `key`.
        mask: (rows, 1, queries, keys), 0 or minus infinity.
        scaling: factor of the scores.
        softcap: the bound c: c tanh(s / c).
        dropout: rate of the dropout of attention weights.

    Source: transformers 5.24, `models/gemma2/modeling_gemma2.py`, `eager_attention_forward`.
    """
    scores = (query @ key.transpose(-1, -2)) * scaling
    scores = torch.tanh(scores / softcap) * softcap + mask
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    result: torch.Tensor = torch.nn.functional.dropout(weights, dropout) @ value
    return result


def _for_each_query_head(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Repeat the kv heads, (1, kv_heads, T, size), for the `heads` that share them.

    CUDA's fused kernels take a mask or grouped heads, not both: given both, torch falls back to the
    plain product of matrices.
    """
    _, kv_heads, length, size = tensor.shape
    repeated = tensor[:, :, None].expand(-1, -1, heads // kv_heads, -1, -1)
    return repeated.reshape(1, heads, length, size)
