"""What of an entry is shown: how many points, samples and characters, and how wide an interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

from harness.boards.board import ShownMeasure, load_board
from harness.leaderboard.build import build, ranked
from harness.leaderboard.columns import cells, headings
from harness.leaderboard.data import board_value
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.entries.figures import mean_of
from harness.leaderboard.page.page import page
from harness.leaderboard.page.point_names import Point, labelled


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def shown(tmp_path: Path, submission: Submission) -> dict[str, Any]:
    """Return the entry of a submission as the page holds it."""
    root = tmp_path / "submissions"
    submission.write(root / "finance" / "one")
    files, refused = build(root)
    assert refused == []
    value = json.loads(files["finance/leaderboard.json"])
    [entry] = [item for item in value["entries"] if item["name"] == "one"]
    return entry


@pytest.mark.parametrize(
    ("rounds", "points"),
    [(60, list(range(1, 61))), (61, [*range(1, 62, 2)]), (62, [*range(1, 62, 2), 62])],
)  # fmt: skip
def test_a_curve_has_60_points_and_always_its_last(
    rounds: int, points: list[int], tmp_path: Path
) -> None:
    entry = shown(tmp_path, Submission(rounds=rounds))
    assert [number for number, _ in entry["losses"]] == points


def test_three_right_and_three_wrong_answers_of_each_set_are_shown(tmp_path: Path) -> None:
    samples = shown(tmp_path, Submission())["samples"]
    for task in ("fpb", "fiqa", "tfns"):
        of_task = [item for item in samples if item["task"] == task]
        assert [item["target"] == item["answer"] for item in of_task].count(True) == 3
        assert len(of_task) == 6


@pytest.mark.parametrize(("length", "cut"), [(160, False), (161, True)])
def test_160_characters_of_an_answer_are_shown(length: int, cut: bool, tmp_path: Path) -> None:
    s = Submission()
    row = s.generations["fpb"][0]
    row[3] = row[3].ljust(length, "x")
    s.redigest()
    samples = shown(tmp_path, s)["samples"]
    first = next(item for item in samples if item["task"] == "fpb")
    assert first["output"] == row[3][:160] + ("…" if cut else "")


def test_a_page_shows_the_measures_of_its_board_and_no_others() -> None:
    finance = load_board("finance")
    solved = ShownMeasure(name="solved", heading="solved at once", percent=True)
    board = finance.with_values(second=None, measures=[solved], metric="pass@1")
    score = EntryScore(
        value=0.5, examples=4, low=0.1, high=0.9, stderr=0.2, measures={"solved": 0.25}
    )
    entry = Entry(
        key="finance/one", name="one", kind="run", title="one", model="m", method="m",
        eligible=True, scores=dict.fromkeys(board.rows, score), average=0.5, low=0.1, high=0.9,
        level="rescored",
    )  # fmt: skip
    [item] = ranked([entry])
    assert len(cells(item, board)) == len(headings(board)) == len(headings(finance)) - 1
    assert not any("likelihood" in text for text in headings(board))
    value = board_value([item], board, [])
    assert value["claims"] == []
    assert value["measures"] == [{"name": "solved", "heading": "solved at once"}]
    assert value["entries"][0]["scores"]["fpb"]["measures"] == {"solved": 0.25}
    html = page([item], board, value)
    table = html[html.index('<table id="board">') : html.index("</table>")]
    head, body = table.split("</thead>")
    assert head.count("<th ") == body.count("<th ") + body.count("<td ")
    assert "likelihood" not in html.split("<script")[0].lower()


def test_the_interval_of_an_average_is_196_standard_errors_to_each_side() -> None:
    """Sets are independent: their errors add up as squares."""
    sets = {
        name: EntryScore(value=value, examples=100, low=0, high=1, stderr=error)
        for name, value, error in (("a", 0.4, 0.03), ("b", 0.6, 0.04))
    }
    mean, low, high = mean_of(sets)
    assert mean == pytest.approx(0.5, abs=1e-15)
    assert low == pytest.approx(0.5 - 1.959964 * 0.025, abs=1e-9)
    assert high == pytest.approx(0.5 + 1.959964 * 0.025, abs=1e-9)
    wide = {"a": EntryScore(value=0.99, examples=2, low=0, high=1, stderr=0.9)}
    assert mean_of(wide) == (0.99, 0.0, 1.0)
    assert mean_of({}) == (None, None, None)


def test_a_label_has_26_characters_at_most() -> None:
    points = [
        Point(name, 100, y, "eligible", False, name)
        for name, y in (("a" * 26, 50), ("b" * 27, 100))
    ]
    whole, cut = labelled(points, 0, 1000, [])
    assert whole.label == "a" * 26
    assert cut.label == "b" * 25 + "…"


@pytest.mark.parametrize(("count", "labels"), [(60, 60), (61, 1)])
def test_with_more_than_60_points_only_the_front_is_labelled(count: int, labels: int) -> None:
    points = [Point("x", 100, 40 * n, "eligible", n == 0, "x") for n in range(count)]
    assert sum(bool(item.label) for item in labelled(points, 0, 1000, [])) == labels
