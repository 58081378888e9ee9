"""Guesses that a text which counts goes on counting: `7. 8. 9.`, `- 4. 4-EU: 4-EU` and the like.

Models that were not taught to end their answers number lists up to the last token that they may
write. No place of such a text repeats an earlier one, so copying guesses every number wrong, and a
row that counts to the end takes a pass for nearly each of its tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

MAX_NUMBERS = 6
"""Numbers in one item of a list at most."""

NUMBER = re.compile(r"(\d+)")


def count_on(text: str, characters: int) -> str:
    """Return how a text goes on that counts at its end; empty when it does not count.

    Args:
        text: its end may be inside an item, or inside a number.
        characters: how many to return at least, up to the end of an item.
    """
    parts = NUMBER.split(text)
    # The text may begin inside its first number, and end inside its last one.
    numbers, gaps = [int(part) for part in parts[3::2]], parts[4::2]
    written = gaps[-1] if gaps else ""
    if numbers and not written:
        unfinished = numbers.pop()
        gaps.pop()
        written = f"{gaps[-1]}{unfinished}" if gaps else ""
    for period in range(1, MAX_NUMBERS + 1):
        steps = _steps(numbers, gaps, period)
        if steps is not None:
            ahead = "".join(islice(_items(numbers, gaps, steps), len(written) + characters))
            return ahead[len(written) :] if ahead.startswith(written) else ""
    return ""


def _steps(numbers: Sequence[int], gaps: Sequence[str], period: int) -> list[int] | None:
    """Return by how much each of the last `period` numbers rose over an item, or None."""
    if len(numbers) < 2 * period + 1:
        return None
    seen = max(period, 2)
    rises = [numbers[-place] - numbers[-place - period] for place in range(seen, 0, -1)]
    between = range(2, period + 2)
    alike = all(gaps[-place] == gaps[-place - period] for place in between)
    counts = set(rises) <= {0, 1} and 1 in rises
    return rises[-period:] if alike and counts else None


def _items(numbers: Sequence[int], gaps: Sequence[str], steps: Sequence[int]) -> Iterator[str]:
    """Yield, character by character, what follows the last whole number, without end."""
    period = len(steps)
    latest, between = list(numbers[-period:]), list(gaps[-period - 1 : -1])
    while True:
        for place in range(period):
            yield from between[place]
            latest[place] += steps[place]
            yield from str(latest[place])
