"""The rows at work in one model: each in a line of the cache, all fed in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.evaluation.decoder.packed_step import Span, pack
from harness.evaluation.decoder.row_cache import CacheShape, RowCache

STEP_TOKENS = {"cpu": 128, "cuda": 512}
"""Tokens of one forward pass that the rows at work should add up to. On a CPU: measured, a product
of 128 runs at 1.7 times the rate of one of 32, one of 256 no faster. On a GPU not measured."""


class Stopped(Exception):  # noqa: N818  # nothing went wrong
    """The working set was told to stop."""


class WorkingSet:
    """Lines of one cache, and the model that fills them."""

    def __init__(self, model: Any, shape: CacheShape, lines: int) -> None:
        """Allocate the cache.

        Args:
            model: causal language model in eval mode whose attention is `row_attention`.
            shape: of one row of the cache.
            lines: rows at work at a time.
        """
        self.model = model
        self.device = next(model.parameters()).device
        self.step_tokens = STEP_TOKENS[self.device.type]
        self.cache = RowCache(shape, lines, self.device)
        self.stopped = False
        """Set from another thread: the next forward pass is not begun."""
        self._group = model.config.num_attention_heads // shape.kv_heads
        self._free = sorted(range(lines), reverse=True)
        self._held: list[tuple[int, ...]] = [()] * lines
        """Tokens that each line holds from slot 0; a row that has left leaves its own behind."""
        self._begun: dict[int, tuple[int, ...]] = {}

    def admit(
        self, prompt: Sequence[int], queued: int = 0, more: int = 0
    ) -> tuple[int, int] | None:
        """Give a prompt a line; what another line already holds of it is copied.

        Args:
            prompt: its tokens; the last is fed in any case.
            queued: tokens that the next forward pass has already.
            more: tokens that it is fed besides those of the prompt.

        Returns:
            The line, and how many tokens it holds; the caller feeds the rest. None when no line is
            free, or when the next forward pass would be more than full; an empty one never is.
        """
        if not self._free:
            return None
        shared = [common_prefix(held, prompt) for held in self._held]
        best = max(shared)
        if queued and queued + len(prompt) - best + more > self.step_tokens:
            return None
        line = self._free.pop()
        if shared[line] < best:
            self.cache.copy_line(shared.index(best), line, best)
        self._held[line] = tuple(prompt[:best])
        self._begun[line] = tuple(prompt)
        return line, best

    def leave(self, line: int) -> None:
        """Free a line."""
        self._free.append(line)
        self._free.sort(reverse=True)

    @torch.inference_mode()
    def feed(self, spans: Sequence[Span]) -> list[Tensor]:
        """Feed tokens to rows; a prompt's rest is fed in one span.

        Args:
            spans: of lines that are taken, at most one a line, in any order.

        Returns:
            Logits of each span's wanted tokens, float32 (wanted, vocab), in the order of `spans`.

        Raises:
            Stopped: `stopped` is set.
        """
        if self.stopped:
            raise Stopped
        order = sorted(range(len(spans)), key=lambda place: spans[place].line)
        step = pack([spans[place] for place in order], self._group, self.device)
        self.cache.begin(step.lines, step.slots)
        logits = self.model(
            input_ids=step.ids,
            attention_mask=None,
            position_ids=step.positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=step.wanted,
            step=step,
            row_cache=self.cache,
        ).logits[0]
        for line, prompt in self._begun.items():
            self._held[line] = prompt
        self._begun.clear()
        parts = logits.float().split([spans[place].wanted for place in order])
        found = dict(zip(order, parts, strict=True))
        return [found[place] for place in range(len(spans))]


def common_prefix(held: Sequence[int], prompt: Sequence[int]) -> int:
    """Return how many tokens both begin with, at least one token short of the prompt."""
    limit = min(len(held), len(prompt) - 1)
    for place in range(limit):
        if held[place] != prompt[place]:
            return place
    return limit
