"""Accuracy against communication, as inline SVG with the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from harness.document.units import MIB
from harness.leaderboard.columns import Ranked
from harness.leaderboard.page.point_names import Point, Tick, labelled

LEFT, RIGHT, TOP, BOTTOM = 52, 24, 18, 50
SIZES = {"wide": (1100, 420), "tall": (430, 380)}
"""Name of a drawing -> its size; the page shows one of them, by its own width."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that the template draws."""

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    points: tuple[Point, ...]
    front: str
    """SVG path of the stepped line through the Pareto front."""
    lines: tuple[Tick, ...]
    """Horizontal lines at the averages of the references."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: float
    """Where on the horizontal axis the communication limit stands."""

    @property
    def numbered(self) -> tuple[Point, ...]:
        """Points of the front that have a number for a name."""
        return tuple(point for point in self.points if point.number is not None)


@dataclass(frozen=True, slots=True)
class PlottedEntry:
    """One entry of the plot, in the units of its figures."""

    item: Ranked
    mib: float
    average: float


def pareto_front(points: Iterable[tuple[str, float, float]]) -> list[str]:
    """Return the keys that nothing beats in both cost and value, cheapest first.

    Args:
        points: (key, cost, value); less cost and more value are better.
    """
    front: list[str] = []
    best = float("-inf")
    for key, _, value in sorted(points, key=lambda item: (item[1], -item[2], item[0])):
        if value > best:
            front.append(key)
            best = value
    return front


def make_plots(items: Sequence[Ranked], limit_mib: float) -> list[Plot]:
    """Return a wide and a tall drawing of all entries with average and communication; or none."""
    shown = [
        PlottedEntry(item, item.entry.bytes_total / MIB, item.entry.average)
        for item in items
        if item.entry.average is not None
        and item.entry.bytes_total
        and item.entry.kind != "reference"
    ]
    references = [
        (item.entry.average, item.entry.title)
        for item in items
        if item.entry.kind == "reference" and item.entry.average is not None
    ]
    if not shown:
        return []
    return [_draw(name, shown, references, limit_mib, size) for name, size in SIZES.items()]


def _draw(
    name: str,
    shown: Sequence[PlottedEntry],
    references: Sequence[tuple[float, str]],
    limit_mib: float,
    size: tuple[int, int],
) -> Plot:
    width, height = size
    right, bottom = width - RIGHT, height - BOTTOM
    values = [place.average for place in shown] + [value for value, _ in references]
    low_x = floor(log10(min(place.mib for place in shown)))
    high_x = log10(max(limit_mib, *(place.mib for place in shown))) + 0.12
    low_y = floor(20 * min(values) - 0.2) / 20
    high_y = min(1.0, ceil(20 * max(values) + 0.2) / 20)

    def x_of(mib: float) -> float:
        return round(LEFT + (log10(mib) - low_x) / (high_x - low_x) * (right - LEFT), 1)

    def y_of(value: float) -> float:
        return round(bottom - (value - low_y) / (high_y - low_y) * (bottom - TOP), 1)

    front = pareto_front(
        (place.item.entry.key, place.mib, place.average)
        for place in shown
        if place.item.entry.eligible
    )
    points = {
        place.item.entry.key: Point(
            name=place.item.entry.name,
            x=x_of(place.mib),
            y=y_of(place.average),
            status=place.item.status.replace(" ", "-"),
            front=place.item.entry.key in front,
            title=f"{place.item.entry.name}: {100 * place.average:.2f} %,"
            f" {place.mib:,.1f} MiB, {place.item.status}",
        )
        for place in shown
    }
    lines = tuple(Tick(y_of(value), title) for value, title in references)
    step = 1 if width > 600 else 2
    return Plot(
        name, width, height, LEFT, right, TOP, bottom,
        points=labelled(list(points.values()), LEFT, right, lines),
        front=_steps([(points[key].x, points[key].y) for key in front], right) if front else "",
        lines=lines,
        x_ticks=tuple(
            Tick(x_of(10.0**power), _size(10.0**power))
            for power in range(low_x, floor(high_x) + 1, step)
        ),
        y_ticks=tuple(
            Tick(y_of(part / 20), f"{5 * part} %")
            for part in range(round(low_y * 20), round(high_y * 20) + 1)
            if part % 2 == 0
        ),
        limit=x_of(limit_mib),
    )  # fmt: skip


def _size(mib: float) -> str:
    return f"{mib:g} MiB" if mib < 1000 else f"{mib / 1000:g}k MiB"


def _steps(points: Sequence[tuple[float, float]], right: float) -> str:
    """Return an SVG path: level to the next point's cost, then up; on to the right edge."""
    path = [f"M{points[0][0]} {points[0][1]}"]
    for x, y in points[1:]:
        path += [f"H{x}", f"V{y}"]
    path.append(f"H{right}")
    return "".join(path)
