"""The rows at work in one model: each in a line of the cache, all fed in one forward pass.

What a new prompt has in common with a line's tokens is copied instead of computed. Three prompts
walked through, two lines:

    admit a b c d     line 0, nothing holds any of it; 4 tokens are to be fed
    admit a b e       line 1: line 0 will have a b once the pass has computed them, so that one
                      token is to be fed
    feed              a b c d e; in every layer, line 1 gets a copy of line 0's a b before anything
                      attends. Line 0 holds a b c d, line 1 holds a b e
    (the first row writes its answer and leaves: line 0 is free, and still holds a b c d)
    admit a b e f     line 0 has two tokens in common with it, line 1, where another row is at work,
                      three: line 0 gets a copy of those at once, and one token is to be fed

Between `admit` and `feed` line 0 holds a b e, not a b c d, whose c is written over: a fourth prompt
a b c g would get a copy of a b at once. The prompt a b e f h would get a b e f in the pass, from
line 0, which has its a b e by then: copies are made in the order in which prompts were admitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.evaluation.decoder.packed_step import Span, pack, pass_order
from harness.evaluation.decoder.row_cache import CacheShape, Copy, RowCache
from harness.library_internals.transformers import cache_argument

STEP_TOKENS = {"cpu": 256, "cuda": 2048}
"""How many tokens a forward pass should have. On a CPU passes of 256 take 0.9 of the time of 128
where a row is its prompt and a token or two, and as long where rows write on; longer ones gain
nothing. On a GPU not measured."""


class Stopped(Exception):  # noqa: N818  # nothing went wrong
    """Raised in a decoder's thread when its working set was told to stop."""


class Stored(Protocol):
    """What lines hold."""

    def copy_line(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of line `source` over those of line `target`."""


class WorkingSet:
    """The lines of one cache, and the model that fills them."""

    shares_within_pass = True
    """Whether a line can get in a pass what another line is fed in the same pass."""

    def __init__(self, model: Any, shape: CacheShape, lines: int) -> None:
        """Allocate the cache.

        Args:
            model: causal language model in eval mode whose attention is `row_attention`.
            shape: the size of one row of the cache.
            lines: how many rows may be at work at a time.
        """
        self.model = model
        self.device = next(model.parameters()).device
        self.step_tokens = STEP_TOKENS[self.device.type]
        self.cache = RowCache(shape, lines, self.device)
        self._cache_argument = cache_argument(model)
        self._group = model.config.num_attention_heads // shape.kv_heads
        self._start(lines, self.cache)

    def _start(self, lines: int, stored: Stored) -> None:
        """Begin with free lines that hold nothing."""
        self._stored = stored
        self.stopped = False
        """Set from another thread: the next forward pass is not begun."""
        self._free = sorted(range(lines), reverse=True)
        self._held: list[tuple[int, ...]] = [()] * lines
        """The prompt's tokens that each line holds from slot 0 on. A row that has left leaves its
        own behind, and what a row writes after its prompt is not counted."""
        self._begun: dict[int, tuple[int, ...]] = {}
        """Line -> prompt, of those admitted since the last pass: what they will hold after it."""
        self._copies: list[Copy] = []
        """What the next pass copies, in the order in which prompts were admitted."""

    def admit(
        self, prompt: Sequence[int], queued: int = 0, more: int = 0
    ) -> tuple[int, int] | None:
        """Give a prompt a line; what another line already holds of it is copied.

        Args:
            prompt: the prompt's tokens; the last is fed in any case, since its logits are wanted.
            queued: how many tokens the next forward pass has already.
            more: how many tokens are fed besides those of the prompt: 1 for a pad query.

        Returns:
            The line, and how many tokens it holds; the caller feeds the rest. None when no line is
            free, or when the next forward pass would be more than full; an empty one never is.
        """
        if not self._free:
            return None
        shared = [common_prefix(held, prompt) for held in self._held]
        best = max(shared)
        soon, source = self._soon(prompt)
        if queued and queued + len(prompt) - max(best, soon) + more > self.step_tokens:
            return None
        # The lowest free line: rows at work stay neighbours, and neighbours attend in one block.
        line = self._free.pop()
        if soon > best:
            self._copies.append(Copy(source, line, soon))
            best = 0
        elif shared[line] < best:
            self._stored.copy_line(shared.index(best), line, best)
        self._held[line] = tuple(prompt[:best])
        self._begun[line] = tuple(prompt)
        return line, max(best, soon)

    def _soon(self, prompt: Sequence[int]) -> tuple[int, int]:
        """Return how much of a prompt a line will have in the next pass, and which line."""
        begun = self._begun.items() if self.shares_within_pass else ()
        return max(((common_prefix(own, prompt), line) for line, own in begun), default=(0, 0))

    def leave(self, line: int) -> None:
        """Free a line; what it holds stays there to be copied from."""
        self._free.append(line)
        self._free.sort(reverse=True)

    def forget(self) -> None:
        """Hold nothing: what is fed next is computed from its own tokens alone."""
        self._held = [()] * len(self._held)

    def feed(self, spans: Sequence[Span]) -> list[Tensor]:
        """Feed tokens to rows; a prompt's rest is fed in one span.

        Args:
            spans: at most one for each line that is taken, in any order.

        Returns:
            Logits of each span's wanted tokens, float32 (wanted, vocab), in the order of `spans`.

        Raises:
            Stopped: another thread has set `stopped`.
        """
        order = pass_order(spans, self.device)
        sizes = [spans[place].wanted for place in order]
        parts = torch.split(self._logits(spans, order), sizes)
        found = dict(zip(order, parts, strict=True))
        return [found[place] for place in range(len(spans))]

    def likeliest(self, spans: Sequence[Span]) -> list[list[int]]:
        """Feed tokens as `feed` does; return the likeliest token after each wanted one, by span.

        All of them are asked for at once: a GPU is waited for once, not once for every row.
        """
        order = pass_order(spans, self.device)
        tokens = iter(self._logits(spans, order).argmax(dim=-1).tolist())
        found = {place: list(islice(tokens, spans[place].wanted)) for place in order}
        return [found[place] for place in range(len(spans))]

    @torch.inference_mode()
    def _logits(self, spans: Sequence[Span], order: Sequence[int]) -> Tensor:
        """Return the logits of all wanted tokens, float32 (wanted, vocab), spans in `order`."""
        if self.stopped:
            raise Stopped
        step = pack([spans[place] for place in order], self._group, self.device)
        self.cache.begin(step.lines, step.slots, self._copies)
        logits: Tensor = self.model(
            input_ids=step.ids,
            attention_mask=None,
            position_ids=step.positions,
            **{self._cache_argument: self.cache},
            use_cache=True,
            logits_to_keep=step.wanted,
            step=step,
            row_cache=self.cache,
        ).logits[0]
        self._hold_what_begun()
        return logits.float()

    def _hold_what_begun(self) -> None:
        """Count what the pass has computed: prompts that were admitted are there from now on."""
        for line, prompt in self._begun.items():
            self._held[line] = prompt
        self._begun.clear()
        self._copies.clear()


def distinct_tokens(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Return how many tokens of each prompt are computed where like prompts come one by one.

    Args:
        prompts: in any order. Of those that begin alike the first in the order of their tokens is
            computed whole, as it is the first to come.
    """
    counts = [0] * len(prompts)
    before: Sequence[int] = ()
    for place in sorted(range(len(prompts)), key=lambda place: tuple(prompts[place])):
        counts[place] = len(prompts[place]) - common_prefix(before, prompts[place])
        before = prompts[place]
    return counts


def common_prefix(held: Sequence[int], prompt: Sequence[int]) -> int:
    """Return how many tokens both begin with, but never all of the prompt: one is left to feed."""
    limit = min(len(held), len(prompt) - 1)
    for place in range(limit):
        if held[place] != prompt[place]:
            return place
    return limit
