"""Greedy decoding of many rows: each row exactly as its official batch would decode it.

Five things make it fast, none of which changes a value: rows of all batches share one working set;
prompts and continuations share one forward pass, without padding; what a prompt has in common with
another is read once; a row leaves as soon as its label is decided; a row that repeats itself is fed
many likely tokens at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from harness.evaluation.decoder.guess_copying import MAX_GUESSES
from harness.evaluation.decoder.prompts import RowPlan
from harness.evaluation.decoder.row_state import ActiveRow, Decoded, Rules
from harness.evaluation.decoder.working_set import WorkingSet

SPARE_STEP_TOKENS = 64
"""Tokens of a forward pass up to which another token is nearly free."""

MAX_SPARE_GUESSES = 7
"""Tokens guessed ahead at most for a row that does not repeat itself."""


class Decoder:
    """One working set at work: rows come in, are fed step by step, and leave as they finish."""

    def __init__(self, working_set: WorkingSet, rules: Rules) -> None:
        """Decode in a working set by rules that hold for all rows."""
        self.working_set, self.rules = working_set, rules

    def decode(self, plans: Iterable[tuple[int, RowPlan]]) -> Iterator[Decoded]:
        """Yield every row of `plans` once, in the order in which they finish.

        Args:
            plans: (row, plan); taken up in their order, which should bring like prompts together.
        """
        waiting = deque(plans)
        active: list[ActiveRow] = []
        while waiting or active:
            # Rows that repeat themselves share a full pass of 256 tokens: four of them may guess 63
            # ahead each, sixteen of them 16.
            repeating = sum(row.sure for row in active)
            share = self.working_set.step_tokens // max(1, repeating)
            sure = min(MAX_GUESSES, max(MAX_SPARE_GUESSES, share))
            # Other rows guess only when nothing waits: a token of a waiting prompt is never wasted.
            spare = 0
            if active and not waiting:
                spare = max(0, min(MAX_SPARE_GUESSES, SPARE_STEP_TOKENS // len(active) - 1))
            # Rows at work first, then prompts into what is left of the pass.
            spans = [row.span(self.rules, sure, spare) for row in active]
            fresh = self._admit(waiting, sum(len(span.tokens) for span in spans))
            spans += [row.span(self.rules, 0, 0) for row in fresh]
            active += fresh
            for row, tokens in zip(active, self.working_set.likeliest(spans), strict=True):
                row.write(tokens, self.rules)
                if row.ended is not None:
                    self.working_set.leave(row.line)
                    yield row.finished()
            active = [row for row in active if row.ended is None]

    def _admit(self, waiting: deque[tuple[int, RowPlan]], tokens: int) -> list[ActiveRow]:
        """Begin rows until the next forward pass, of `tokens` so far, is full."""
        fresh: list[ActiveRow] = []
        while waiting:
            row, plan = waiting[0]
            place = self.working_set.admit(plan.ids, tokens, plan.pad_query)
            if place is None:
                break
            waiting.popleft()
            fresh.append(ActiveRow(row, plan, *place))
            tokens += len(plan.ids) - place[1] + plan.pad_query
        return fresh
