"""The state of one row while it is decoded: what it is fed, and what it makes of the logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.evaluation.decoder.guess_copying import MAX_GUESSES, SURE_STREAK, Copying
from harness.evaluation.decoder.packed_step import Span
from harness.evaluation.decoder.prompts import RowPlan

Ended = Literal["eos", "length", "decided"]
"""`decided`: the label could no longer change; `eos` and `length`: as upstream ends."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished row."""

    row: int
    """Number of the row in its evaluation set."""
    ids: tuple[int, ...]
    """New tokens, EOS left out."""
    ended: Ended


def _nothing(ids: Sequence[int]) -> list[int]:
    return []


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that every row of a decoder goes by."""

    pad_id: int
    """Token that upstream pads with."""
    eos_ids: frozenset[int]
    """Tokens that end a row."""
    decided: Callable[[RowPlan, Sequence[int]], bool]
    """(plan, new tokens) -> whether the row's label is final; asked after each token."""
    count_on: Callable[[Sequence[int]], list[int]] = _nothing
    """New tokens -> tokens that may follow where they count something; may be empty."""


class ActiveRow:
    """A row at work: what it was asked, what it wrote, what it is fed next."""

    def __init__(self, row: int, plan: RowPlan, line: int, held: int) -> None:
        """Begin a row.

        Args:
            row: number of the row in its evaluation set.
            plan: the row as its official batch decodes it.
            line: the line of the cache that it lies in.
            held: how many of the prompt's tokens the line holds already.
        """
        self.row, self.plan, self.line = row, plan, line
        self.ids: list[int] = []
        self.ended: Ended | None = None
        self._held = held
        self._copying = Copying(plan.ids)
        self._guesses: list[int] = []
        self._counts = True
        """Whether guesses that it counts are worth a try."""
        self._counted = False
        """Whether the latest guesses were such."""

    @property
    def sure(self) -> bool:
        """Whether the row repeats itself, so that guesses are worth a pass of their own."""
        return self._copying.streak >= SURE_STREAK

    def span(self, rules: Rules, sure_tokens: int, spare_tokens: int) -> Span:
        """Return what to feed: at first the prompt, then the last token and guesses.

        Args:
            rules: the decoder's rules.
            sure_tokens: how far to guess ahead when the row repeats itself.
            spare_tokens: how far to guess ahead otherwise.
        """
        real = len(self.plan.ids)
        if not self.ids:
            pad = [rules.pad_id] if self.plan.pad_query else []
            tokens = [*self.plan.ids[self._held :], *pad]
            return Span(self.line, self._held, tokens, 1, self.plan.pad_query, real, self.plan.pads)
        # A pass writes one token more than it is fed guesses, and slots end with the budget.
        room = self.plan.budget_tokens - len(self.ids) - 1
        self._guesses = self._guess(rules, min(sure_tokens, room), min(spare_tokens, room))
        # The first new token takes the slot right behind the prompt, where a pad query stood.
        tokens = [self.ids[-1], *self._guesses]
        slot, pads = real + len(self.ids) - 1, self.plan.pads
        return Span(self.line, slot, tokens, len(tokens), prompt=real, pads=pads)

    def _guess(self, rules: Rules, sure_tokens: int, spare_tokens: int) -> list[int]:
        streak = self._copying.streak
        counted = rules.count_on(self.ids) if self._counts and streak < MAX_GUESSES else []
        self._counted = bool(counted[:sure_tokens])
        if self._counted:
            return counted[:sure_tokens]
        # A row that has repeated itself for 8 tokens is trusted with 8 more, not yet with 63.
        return self._copying.guess(min(sure_tokens, streak) if self.sure else spare_tokens)

    def write(self, tokens: Sequence[int], rules: Rules) -> None:
        """Write what greedy decoding says after each token fed, as far as the guesses were right.

        Fed were the last token and the guesses 7 5; the likeliest tokens after these three are
        7 9 4. The 7 is written, and was guessed; so the 9, which follows it, is what greedy
        decoding writes next, and is written too. It is not the 5 that was guessed, so the 4, which
        follows the 5, is for nothing. That is two tokens in one pass; no right guess makes one.

        Args:
            tokens: the likeliest token after each of the span's wanted tokens.
            rules: the decoder's rules.
        """
        if self._counted and tokens[0] != self._guesses[0]:
            self._counts = False
        for place, token in enumerate(tokens):
            self.ids.append(token)
            self._copying.write(token)
            self.ended = self._end(rules)
            if self.ended is not None or self._guesses[place : place + 1] != [token]:
                return

    def _end(self, rules: Rules) -> Ended | None:
        if self.ids[-1] in rules.eos_ids:
            return "eos"
        if len(self.ids) >= self.plan.budget_tokens:
            return "length"
        return "decided" if rules.decided(self.plan, self.ids) else None

    def finished(self) -> Decoded:
        """Return the row as it ended."""
        assert self.ended is not None
        ids = self.ids[:-1] if self.ended == "eos" else self.ids
        return Decoded(self.row, tuple(ids), self.ended)
