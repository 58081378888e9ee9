"""Names in the drawing: beside a point where there is room; one of the front always has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

CHARACTER, LINE = 7.6, 15
"""Width and height of a character of a name, in the drawing's units."""
LABEL_CHARACTERS = 26
MANY_POINTS = 60
"""With more points than this only those of the front are labelled."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """One entry of the plot, in the drawing's coordinates."""

    name: str
    x: float
    y: float
    status: str
    front: bool
    title: str
    label: str = ""
    """The name as it is drawn beside the point; empty where it would cover another."""
    label_x: float = 0.0
    anchor: str = "start"
    number: int | None = None
    """What stands in the point instead of a name beside it; the names are listed below the drawing.
    Only points of the front have one."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of an axis, or one horizontal line."""

    at: float
    label: str


def labelled(
    points: Sequence[Point], left: float, right: float, lines: Sequence[Tick]
) -> tuple[Point, ...]:
    """Return the points with their names to the right or left of them, where there is room.

    Points of the Pareto front choose first. One of them without room gets a number instead, from 1
    in the order given.

    Args:
        points: all entries.
        left: where the drawing begins.
        right: where it ends.
        lines: of the references, whose names stand at the right end.
    """
    # With points at x = 100 and x = 140 on one height, "best" (4 characters of 7.6) needs 112 to
    # 142.4 on the right of the first, where the second's own box begins at 131. It goes to the
    # left, from 57.6 to 88, and the second's name to its right. Every point's box is taken before
    # any name is placed, so that a name never covers a point that comes later.
    taken: list[Box] = [(p.x - 9, p.y - 9, p.x + 9, p.y + 9) for p in points]
    taken += [
        (right - CHARACTER * len(line.label), line.at - LINE, right, line.at) for line in lines
    ]
    placed = {}
    for index in sorted(range(len(points)), key=lambda index: not points[index].front):
        point = points[index]
        for candidate, box in _candidates(point, crowded=len(points) > MANY_POINTS):
            if box[0] > left and box[2] < right and not any(_overlap(box, b) for b in taken):
                taken.append(box)
                placed[index] = candidate
                break
    number = 0
    result = []
    for index, point in enumerate(points):
        found = placed.get(index, point)
        if found.front and not found.label:
            number += 1
            found = replace(found, number=number)
        result.append(found)
    return tuple(result)


def _candidates(point: Point, crowded: bool) -> Iterator[tuple[Point, Box]]:
    """Yield the ways to label a point, and the room that each takes."""
    if crowded and not point.front:
        return
    long = len(point.name) > LABEL_CHARACTERS
    text = point.name[: LABEL_CHARACTERS - 1] + "…" if long else point.name
    size = CHARACTER * len(text)
    for anchor, start in (("start", point.x + 12), ("end", point.x - 12 - size)):
        label_x = round(start if anchor == "start" else start + size, 1)
        box = (start, point.y - LINE / 2, start + size, point.y + LINE / 2)
        yield replace(point, label=text, label_x=label_x, anchor=anchor), box


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
