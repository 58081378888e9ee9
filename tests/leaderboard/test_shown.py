"""What of an entry is shown: how many points, samples and characters, and how wide an interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

from harness.leaderboard.build import build
from harness.leaderboard.entries.entry import EntryScore
from harness.leaderboard.entries.figures import mean_of
from harness.leaderboard.page.labels import Point, labelled


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
    ("rounds", "points"), [(60, list(range(1, 61))), (61, [*range(1, 62, 2)]), (62, [*range(1, 62, 2), 62])]
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
        assert [item["target"] == item["label"] for item in of_task].count(True) == 3
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
