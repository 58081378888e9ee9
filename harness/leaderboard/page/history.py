"""The best of its time: which run was the best that ranks, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.leaderboard.entries.entry import Entry

WIDTH, HEIGHT = 220, 48


@dataclass(frozen=True, slots=True)
class Best:
    """A run that was better than all before it."""

    date: str
    """`2026-11-22`: when it was filed, else when it was run."""
    name: str
    average: float


def best_over_time(entries: Iterable[Entry]) -> list[Best]:
    """Return the runs that were the best of their time, oldest first; of one day the best alone."""
    dated = sorted(
        (
            ((entry.submitted or entry.created)[:10], -entry.average, entry.name)
            for entry in entries
            if entry.average is not None
        ),
    )
    found: list[Best] = []
    for date, negative, name in dated:
        if not found or -negative > found[-1].average:
            found.append(Best(date, name, -negative))
    return found


def sparkline(history: Sequence[Best]) -> str:
    """Return the best over its own course as a stepped SVG path; empty for fewer than two."""
    if len(history) < 2:
        return ""
    low, high = history[0].average, history[-1].average
    points = [
        (
            round(index / (len(history) - 1) * (WIDTH - 24), 1),
            round(HEIGHT - 6 - (best.average - low) / (high - low) * (HEIGHT - 12), 1),
        )
        for index, best in enumerate(history)
    ]
    path = f"M{points[0][0]} {points[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in points[1:]) + f"H{WIDTH}"
