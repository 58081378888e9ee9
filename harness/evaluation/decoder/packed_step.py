"""One forward pass over tokens of many rows, without padding: who is fed what, and who sees what.

The tokens of all rows stand one behind the other in a batch of one, so that linear layers compute
nothing that is not asked for. Only attention knows rows; it takes them in blocks: neighbouring
lines that are fed equally many tokens are one block, everything else a block of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.evaluation.decoder.prompts import PAD_POSITION

BLOCK_TOKENS = 8
"""Rows that are fed more tokens than this attend by themselves: a block is as wide as its longest
row, and one call for a few tokens costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring tokens of one row."""

    line: int
    """Of the cache."""
    slot: int
    """Of the first token; everything in earlier slots of the line is attended to."""
    tokens: Sequence[int]
    wanted: int
    """How many logits are wanted, counted from the last token."""
    pad_query: bool = False
    """Whether the last token is a pad off which the first new token is read: it stands at
    `PAD_POSITION` and does not attend to itself."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that attend together."""

    first_token: int
    """Of the block in the packed pass."""
    first_line: int
    rows: int
    tokens: int
    """Of each row."""
    mask: Tensor
    """float32 (rows, 1, group * tokens, slots): 0 where a token attends, minus infinity elsewhere;
    `group` query heads share each head of keys."""


@dataclass(frozen=True, slots=True)
class PackedStep:
    """What a forward pass is given; all tensors are on the model's device."""

    ids: Tensor
    """int64 (1, tokens)."""
    positions: Tensor
    """int64 (1, tokens)."""
    lines: Tensor
    """int64 (tokens,)."""
    slots: Tensor
    """int64 (tokens,)."""
    wanted: Tensor
    """int64 (wanted,): places in the packed pass of which logits are wanted, span by span."""
    blocks: tuple[Block, ...]


def pack(spans: Sequence[Span], group: int, device: torch.device) -> PackedStep:
    """Lay out one forward pass.

    Args:
        spans: by rising line, at most one a line.
        group: query heads that share a head of keys and values.
        device: of the model.
    """
    ids: list[int] = []
    positions: list[int] = []
    lines: list[int] = []
    slots: list[int] = []
    wanted: list[int] = []
    for span in spans:
        count = len(span.tokens)
        own = list(range(span.slot, span.slot + count))
        ids += span.tokens
        slots += own
        positions += [*own[:-1], PAD_POSITION] if span.pad_query else own
        lines += [span.line] * count
        wanted += range(len(ids) - span.wanted, len(ids))
    table = torch.tensor([ids, positions, lines, slots]).to(device)
    return PackedStep(
        ids=table[0:1],
        positions=table[1:2],
        lines=table[2],
        slots=table[3],
        wanted=torch.tensor(wanted, device=device),
        blocks=tuple(_blocks(spans, group, device)),
    )


def _blocks(spans: Sequence[Span], group: int, device: torch.device) -> Iterator[Block]:
    token = 0
    for rows in _neighbours(spans):
        tokens = len(rows[0].tokens)
        mask = _mask(rows, tokens).to(device).repeat(1, 1, group, 1)
        yield Block(token, rows[0].line, len(rows), tokens, mask)
        token += len(rows) * tokens


def _neighbours(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield spans of neighbouring lines with equally many tokens, few each, together."""
    group: list[Span] = []
    for span in spans:
        count = len(span.tokens)
        if group and not (
            span.line == group[-1].line + 1 and count == len(group[-1].tokens) <= BLOCK_TOKENS
        ):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _mask(spans: Sequence[Span], tokens: int) -> Tensor:
    slot = torch.tensor([span.slot for span in spans])
    seen = slot[:, None] + torch.arange(1, tokens + 1)
    seen[:, -1] -= torch.tensor([int(span.pad_query) for span in spans])
    width = int(seen.max())
    hidden = torch.arange(width) >= seen[:, :, None]
    return torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None]
