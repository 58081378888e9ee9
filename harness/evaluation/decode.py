"""Greedy decoding of many rows: each row exactly as its official batch would decode it.

Four things make it fast, none of which changes a value: rows of all batches share one working set
that is refilled as rows finish; a row leaves as soon as its label is decided; the cache never
copies what it already holds; when few rows are left, each is fed several likely tokens at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from harness.evaluation.draft import draft, draft_length
from harness.evaluation.prompts import PAD_POSITION, RowPlan
from harness.evaluation.row_cache import CacheShape, RowCache

Ended = Literal["eos", "length", "decided"]

PREFILL_ROWS = 16
"""Prompts per forward pass: enough to fill the matrix units, few enough to pad little."""

REFILL_SHARE = 0.75
"""The working set is refilled when it has shrunk to this share of its lines."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished row."""

    row: int
    ids: tuple[int, ...]
    """New tokens, EOS left out."""
    ended: Ended
    """`decided`: the label could no longer change; `eos` and `length`: as upstream ends."""


@dataclass(slots=True)
class _Row:
    row: int
    plan: RowPlan
    ids: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Slots in use: prompt and new tokens that were fed back."""
        return len(self.plan.ids) + max(len(self.ids) - 1, 0)

    def query(self, ahead: int, pad: int) -> _Query:
        """Return what to feed: the row's next token, then up to `ahead` guesses, then pads."""
        real = len(self.plan.ids)
        if self.ids:
            slot = real + len(self.ids) - 1
            guesses = draft([*self.plan.ids, *self.ids], ahead)
            return _Query([self.ids[-1], *guesses], slot, slot, slot + 1, guesses)
        if self.plan.pad_query:
            return _Query([pad], PAD_POSITION, real, real, [])
        return _Query([self.plan.ids[-1]], real - 1, real - 1, real, [])


@dataclass(frozen=True, slots=True)
class _Query:
    tokens: list[int]
    position: int
    slot: int
    seen: int
    """Slots that the first token attends to; each further token sees one more."""
    guesses: list[int]


class Decoder:
    """Decodes rows with one model; see the module's text."""

    def __init__(self, model: Any, pad_id: int, eos_id: int, shape: CacheShape, lines: int) -> None:
        """Allocate the cache.

        Args:
            model: causal language model in eval mode; called with 4-d boolean masks.
            pad_id: token that upstream pads with.
            eos_id: token that ends a row.
            shape: of one row of the cache.
            lines: rows decoded at a time.
        """
        self.model, self.pad_id, self.eos_id = model, pad_id, eos_id
        self.device = next(model.parameters()).device
        self.cache = RowCache(shape, lines, self.device)
        self.lines = lines

    @torch.inference_mode()
    def decode(
        self,
        plans: Sequence[tuple[int, RowPlan]],
        decided: Callable[[RowPlan, Sequence[int]], bool],
    ) -> Iterator[Decoded]:
        """Yield every row of `plans` once, in the order in which they finish.

        Args:
            plans: (row, plan); longest prompts are decoded first.
            decided: (plan, new tokens) -> whether the row's label is final; asked after each token.
        """
        waiting = deque(sorted(plans, key=lambda item: -len(item[1].ids)))
        active: list[_Row] = []
        while waiting or active:
            if waiting and len(active) <= REFILL_SHARE * self.lines:
                self._refill(active, waiting)
            ended = [
                self._extend(row, tokens, decided)
                for row, tokens in zip(active, self._step(active), strict=True)
            ]
            for line in range(len(active) - 1, -1, -1):
                end = ended[line]
                if end is not None:
                    yield self._remove(active, line, end)

    def _extend(
        self,
        row: _Row,
        tokens: Sequence[int],
        decided: Callable[[RowPlan, Sequence[int]], bool],
    ) -> Ended | None:
        """Append tokens one by one until the row ends."""
        for token in tokens:
            row.ids.append(token)
            end = self._ended(row, decided)
            if end is not None:
                return end
        return None

    def _ended(self, row: _Row, decided: Callable[[RowPlan, Sequence[int]], bool]) -> Ended | None:
        if row.ids[-1] == self.eos_id:
            return "eos"
        if len(row.ids) >= row.plan.budget_tokens:
            return "length"
        return "decided" if decided(row.plan, row.ids) else None

    def _remove(self, active: list[_Row], line: int, ended: Ended) -> Decoded:
        row, last = active[line], active.pop()
        if last is not row:
            self.cache.copy_line(len(active), line, last.length)
            active[line] = last
        ids = row.ids[:-1] if ended == "eos" else row.ids
        return Decoded(row.row, tuple(ids), ended)

    def _refill(self, active: list[_Row], waiting: deque[tuple[int, RowPlan]]) -> None:
        while waiting and len(active) < self.lines:
            count = min(PREFILL_ROWS, len(waiting), self.lines - len(active))
            fresh = [_Row(*waiting.popleft()) for _ in range(count)]
            self.prefill(len(active), [row.plan.ids for row in fresh])
            active += fresh

    def prefill(self, first: int, prompts: Sequence[Sequence[int]]) -> None:
        """Fill lines first.. with prompts; tokens that all of them begin with are read once."""
        shared = shared_prefix(prompts)
        if shared:
            self._forward(first, 0, torch.tensor([prompts[0][:shared]]))
            if len(prompts) > 1:
                self.cache.spread_line(first, first + 1, len(prompts) - 1, shared)
        rest = [list(prompt[shared:]) for prompt in prompts]
        width = max(map(len, rest))
        # Pads stand behind the real tokens, which cannot see them; their slots are written over.
        ids = torch.tensor([row + [self.pad_id] * (width - len(row)) for row in rest])
        self._forward(first, shared, ids)

    def _forward(self, first: int, start: int, ids: Tensor) -> None:
        count, width = ids.shape
        self.cache.begin_prefill(first, count, start)
        positions = torch.arange(start, start + width, device=self.device)
        slots = torch.arange(start + width, device=self.device)
        mask = (slots[None, :] <= positions[:, None]).expand(count, 1, -1, -1)
        self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask,
            position_ids=positions[None].expand(count, -1),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def _step(self, active: Sequence[_Row]) -> list[list[int]]:
        """Return the new tokens of every row: one, and one more for every guess that was right."""
        ahead = draft_length(len(active))
        queries = [row.query(max(ahead, 0), self.pad_id) for row in active]
        width = max(len(query.tokens) for query in queries)
        steps = range(width)
        logits = self.feed(
            [query.tokens + [self.pad_id] * (width - len(query.tokens)) for query in queries],
            [[query.position + step for step in steps] for query in queries],
            [[query.slot + step for step in steps] for query in queries],
            [[query.seen + step for step in steps] for query in queries],
        )
        best = logits.argmax(dim=-1).tolist()
        return [
            tokens[: 1 + _agreeing(query.guesses, tokens)]
            for query, tokens in zip(queries, best, strict=True)
        ]

    def step(self, tokens: Sequence[int], slots: Sequence[int]) -> Tensor:
        """Feed one token to each of lines 0..n-1, at position and slot `slots`.

        Returns:
            Its logits, float32 (n, vocab).
        """
        places = [[slot] for slot in slots]
        seen = [[slot + 1] for slot in slots]
        return self.feed([[token] for token in tokens], places, places, seen)[:, 0]

    def feed(
        self,
        tokens: Sequence[Sequence[int]],
        positions: Sequence[Sequence[int]],
        slots: Sequence[Sequence[int]],
        seen: Sequence[Sequence[int]],
    ) -> Tensor:
        """Feed equally many tokens to each of lines 0..n-1.

        Args:
            tokens: (n, tokens).
            positions: position of each token.
            slots: where its keys and values go; what stands there is written over.
            seen: how many slots, from the first, it attends to.

        Returns:
            Logits, float32 (n, tokens, vocab).
        """
        where = torch.tensor(slots, device=self.device)
        self.cache.begin_step(where)
        every = torch.arange(int(where.max()) + 1, device=self.device)
        mask = every[None, None, :] < torch.tensor(seen, device=self.device)[:, :, None]
        output = self.model(
            input_ids=torch.tensor(tokens, device=self.device),
            attention_mask=mask[:, None],
            position_ids=torch.tensor(positions, device=self.device),
            past_key_values=self.cache,
            use_cache=True,
        )
        logits: Tensor = output.logits.float()
        return logits


def _agreeing(guesses: Sequence[int], tokens: Sequence[int]) -> int:
    """Return how many guesses, from the first, are what was then written."""
    count = 0
    while count < len(guesses) and guesses[count] == tokens[count]:
        count += 1
    return count


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with, at least one token short of the shortest."""
    limit = min(map(len, prompts)) - 1
    for place in range(limit):
        token = prompts[0][place]
        if any(prompt[place] != token for prompt in prompts):
            return place
    return max(limit, 0)
