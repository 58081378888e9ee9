"""One forward pass over tokens of many rows, without padding: who is fed what, and who sees what.

The tokens of all rows stand one behind the other in a batch of one, so that linear layers compute
nothing that is not asked for. Only attention knows rows; it takes them in blocks: neighbouring
lines that are fed equally many tokens are one block, everything else a block of its own.

One pass walked through: lines 0, 1 and 3 are fed, line 2 is empty.

    span            line  slot  tokens        slot: of the first; all before it is in the cache
    a row at work   0     2     7 8           its last token, and a guess
    a padded row    1     3     9 pad         the end of its prompt, and the pad that its first
                                              new token is read off
    a row at work   3     4     5             its last token alone

    packed          7  8  9  pad  5
    positions       2  3  3  1    4           the pad stands at PAD_POSITION
    lines           0  0  1  1    3           where keys and values are written
    slots           2  3  3  4    4           the pad's slot is written over by the first new token

Lines 0 and 1 are neighbours with two tokens each: one block. Line 3 is a block of its own. The
first block's mask, over the slots 0 to 3 of each line:

    7    sees 0 1 2        slot + 1 = 3 slots, itself included
    8    sees 0 1 2 3
    9    sees 0 1 2 3
    pad  sees 0 1 2 3      one less than its place says: it does not attend to itself

So it is by slots, not by positions, that a token sees. What stands in a line beyond them, wrong
guesses of the last pass or an earlier row's tokens, is seen by nobody until it is written over.

A sliding window counts places of the official batch, where pads stand between a prompt and its
continuation. With 2 pads behind a prompt of 3 tokens, slot 3 is place 5: a window of 4 shows it the
places 2 to 5, that is its own slot and the slot 2. The pad query is the last pad, place 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.evaluation.decoder.prompts import PAD_POSITION

BLOCK_TOKENS = 8
"""Rows that are fed more tokens than this attend by themselves: a block is as wide as its longest
row, and one call for a few tokens costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring tokens of one row, fed in one pass."""

    line: int
    """The line of the cache in which the row lies."""
    slot: int
    """The slot of the first token; everything in earlier slots of the line is attended to."""
    tokens: Sequence[int]
    wanted: int
    """How many of the tokens' logits are wanted, counted from the last token."""
    pad_query: bool = False
    """Whether the last token is a pad off which the first new token is read: it stands at
    `PAD_POSITION` and does not attend to itself."""
    prompt: int = 0
    """Slots of the prompt; what follows is, in the official batch, `pads` places further on."""
    pads: int = 0


@dataclass(frozen=True, slots=True)
class Gather:
    """How a block of any lines, fed unlike numbers of tokens, is spread to rows of one length."""

    queries: Tensor
    """int64 (rows * tokens,): place of each query in the packed pass; a short row repeats its last
    token."""
    lines: Tensor
    """int64 (rows,)."""
    collect: Tensor
    """int64: the queries that are tokens of the pass, in its order."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that attend together: neighbours, or on a GPU any, which are gathered."""

    first_token: int
    """Place of the block's first token in the packed pass."""
    first_line: int
    rows: int
    """How many lines, from the first on."""
    tokens: int
    """How many tokens each of them is fed."""
    mask: Tensor
    """float32 (rows, 1, group * tokens, slots): 0 where a token attends, minus infinity elsewhere;
    `group` query heads share each head of keys."""
    spans: tuple[Span, ...] = ()
    """What each line is fed."""
    windows: dict[int, Tensor] = field(default_factory=dict)
    """Sliding window -> the mask of it, as layers have asked for it."""
    gather: Gather | None = None
    """None for neighbours that are fed equally many tokens."""

    def mask_within(self, window: int | None) -> Tensor:
        """Return the mask, with what is `window` places or more before a token hidden too.

        Args:
            window: how many places of the official batch a token sees, its own included, or None.
        """
        longest = max(span.slot + len(span.tokens) + span.pads for span in self.spans)
        if window is None or window >= longest:
            return self.mask
        if window not in self.windows:
            before = _before(self.spans, self.tokens, self.mask.shape[-1], window)
            group = self.mask.shape[2] // self.tokens
            before = before.to(self.mask.device).repeat(1, 1, group, 1)
            self.windows[window] = self.mask.masked_fill(before, -torch.inf)
        return self.windows[window]


@dataclass(frozen=True, slots=True)
class PackedStep:
    """What a forward pass is given; all tensors are on the model's device."""

    ids: Tensor
    """int64 (1, tokens): token ids of all spans."""
    positions: Tensor
    """int64 (1, tokens): what the rotary embedding is told."""
    lines: Tensor
    """int64 (tokens,): line of each token in the cache."""
    slots: Tensor
    """int64 (tokens,): slot of each token in its line."""
    wanted: Tensor
    """int64 (wanted,): places in the packed pass of which logits are wanted, span by span."""
    blocks: tuple[Block, ...]


def pack(spans: Sequence[Span], group: int, device: torch.device) -> PackedStep:
    """Lay out one forward pass.

    Args:
        spans: one for each line that is fed, in the order of `pass_order`.
        group: how many query heads share a head of keys and values.
        device: where the model is.
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
        blocks=tuple((_gathered if device.type == "cuda" else _blocks)(spans, group, device)),
    )


def pass_order(spans: Sequence[Span], device: torch.device) -> list[int]:
    """Return the places of spans in the order of a pass: by rising line.

    On a GPU, where every call costs as much as many products, all rows with few tokens attend
    together, and all others: these two come one after the other.

    Args:
        spans: at most one for each line.
        device: where the model is.
    """

    def key(place: int) -> tuple[bool, int]:
        span = spans[place]
        return device.type == "cuda" and len(span.tokens) > BLOCK_TOKENS, span.line

    return sorted(range(len(spans)), key=key)


def _gathered(spans: Sequence[Span], group: int, device: torch.device) -> Iterator[Block]:
    token = 0
    for long in (False, True):
        rows = [span for span in spans if (len(span.tokens) > BLOCK_TOKENS) is long]
        if not rows:
            continue
        counts = [len(span.tokens) for span in rows]
        tokens = max(counts)
        queries: list[int] = []
        collect: list[int] = []
        seen: list[int] = []
        for row, (span, count) in enumerate(zip(rows, counts, strict=True)):
            own = list(range(span.slot + 1, span.slot + count + 1))
            own[-1] -= span.pad_query
            last = token + count - 1
            queries += [*range(token, token + count), *[last] * (tokens - count)]
            collect += range(row * tokens, row * tokens + count)
            seen += own + own[-1:] * (tokens - count)
            token += count
        table = torch.tensor([queries, seen]).to(device)
        hidden = torch.arange(max(seen), device=device) >= table[1].view(len(rows), tokens, 1)
        mask = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, -torch.inf)[:, None]
        gather = Gather(
            queries=table[0],
            lines=torch.tensor([span.line for span in rows]).to(device),
            collect=torch.tensor(collect).to(device),
        )
        first = token - sum(counts)
        whole = mask.repeat(1, 1, group, 1)
        yield Block(first, rows[0].line, len(rows), tokens, whole, tuple(rows), gather=gather)


def _blocks(spans: Sequence[Span], group: int, device: torch.device) -> Iterator[Block]:
    token = 0
    for rows in _neighbours(spans):
        tokens = len(rows[0].tokens)
        mask = _mask(rows, tokens).to(device).repeat(1, 1, group, 1)
        yield Block(token, rows[0].line, len(rows), tokens, mask, tuple(rows))
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
    """Return what each token of a block may attend to, float32 (rows, 1, tokens, slots)."""
    # seen[row, token]: how many slots, from the first on. In the module's example 3 4 and 4 5, less
    # one for the pad: 3 4 and 4 4.
    slot = torch.tensor([span.slot for span in spans])
    seen = slot[:, None] + torch.arange(1, tokens + 1)
    seen[:, -1] -= torch.tensor([int(span.pad_query) for span in spans])
    width = int(seen.max())
    hidden = torch.arange(width) >= seen[:, :, None]
    return torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None]


def _before(spans: Sequence[Span], tokens: int, slots: int, window: int) -> Tensor:
    """Return which slots lie `window` places or more before a token: (rows, 1, tokens, slots)."""
    first = torch.tensor([span.slot for span in spans])[:, None]
    prompt = torch.tensor([span.prompt for span in spans])[:, None]
    pads = torch.tensor([span.pads for span in spans])[:, None]

    def place(slot: Tensor) -> Tensor:
        return slot + pads * (slot >= prompt)

    # Where rows are gathered, a short one repeats its last token.
    last = torch.tensor([len(span.tokens) - 1 for span in spans])
    asking = place(first + torch.arange(tokens).minimum(last[:, None]))
    pad_query = torch.tensor([int(span.pad_query) for span in spans])
    asking -= pad_query[:, None] * (torch.arange(tokens) >= last[:, None])
    held = place(torch.arange(slots)[None])
    return (held[:, None] <= asking[:, :, None] - window)[:, None]
