"""Figures as people write them: how many decimals, and what they agree with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.claims.record import Quote

NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
"""A figure as people and Python write it."""

FindingKind = Literal["recomputes", "contradicts", "missing"]


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """One thing that follows from a claim."""

    topic: str
    kind: FindingKind
    found: str
    expected: str


def digits(quote: Quote) -> int:
    """Return the decimals that a figure is written with."""
    return len(quote.text.partition(".")[2]) if "e" not in quote.text.lower() else 12


def number(quote: Quote | None) -> float | None:
    """Return a quoted figure's value, or None."""
    # `float` takes `nan`, `1_000` and digits of every script too, which are no figures of a table.
    if quote is None or not NUMBER.fullmatch(quote.text):
        return None
    return float(quote.text)


def agrees(quote: Quote, value: float) -> bool:
    """Whether `value` rounded or cut to the decimals of a figure gives that figure."""
    stated = number(quote)
    if stated is None:
        return False
    unit = 10.0 ** -digits(quote)
    return abs(stated - value) <= unit / 2 * 1.0000001 or 0 <= value - stated < unit * 0.9999999


def verdict(topic: str, holds: bool, found: str, expected: str) -> ClaimFinding:
    """Return the finding that a claim recomputes, or that it contradicts what was computed.

    Args:
        topic: what the finding is about, such as `average`.
        holds: whether the claim agrees.
        found: what the project says.
        expected: what follows from its files.
    """
    return ClaimFinding(topic, "recomputes" if holds else "contradicts", found, expected)
