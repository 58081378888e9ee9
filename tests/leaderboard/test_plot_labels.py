"""Every entry of the Pareto front is named in the drawing, however crowded it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboard.page.point_names import CHARACTER, LINE, Point, Tick, labelled

LEFT, RIGHT = 50.0, 400.0

spots = st.tuples(
    st.floats(LEFT, RIGHT),
    st.floats(20, 300),
    st.booleans(),
    st.text("abcdefgh-", min_size=1, max_size=40),
)


def make(*spots: tuple[float, float, bool, str]) -> list[Point]:
    return [Point(name, x, y, "eligible", front, name) for x, y, front, name in spots]


@given(st.lists(spots, max_size=80))
def test_each_of_the_front_has_a_name_or_a_number_of_its_own(
    found: list[tuple[float, float, bool, str]],
) -> None:
    points = labelled(make(*found), LEFT, RIGHT, [Tick(100, "reference")])
    assert [(p.name, p.x, p.y) for p in points] == [(name, x, y) for x, y, _, name in found]
    numbers = [point.number for point in points if point.number is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    for point in points:
        assert not (point.label and point.number)
        assert bool(point.label or point.number) or not point.front


@given(st.lists(spots, max_size=30))
def test_no_label_covers_another(found: list[tuple[float, float, bool, str]]) -> None:
    boxes = []
    for point in labelled(make(*found), LEFT, RIGHT, []):
        if point.label:
            size = CHARACTER * len(point.label)
            start = point.label_x - (size if point.anchor == "end" else 0)
            boxes.append((start, start + size, point.y))
    for index, (start, end, y) in enumerate(boxes):
        for other_start, other_end, other_y in boxes[:index]:
            apart = abs(y - other_y) >= LINE - 0.2
            assert apart or start >= other_end - 0.2 or end <= other_start + 0.2


def test_the_front_chooses_before_its_neighbours() -> None:
    points = make((100, 50, False, "beaten"), (110, 62, True, "best"))
    beaten, best = labelled(points, LEFT, RIGHT, [])
    assert best.label == "best"
    alone, _ = labelled(make((100, 50, True, "first"), (105, 50, True, "second")), LEFT, RIGHT, [])
    assert alone.label or alone.number
    assert beaten.number is None
