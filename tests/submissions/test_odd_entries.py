"""Entries as people send them: very long names, hundreds of one team, clocks of tomorrow."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clean_submission import KeptSubmission, Submission, about_json

from harness.boards.board import load_board
from harness.leaderboard.build import build, claimed, ranked
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.page.columns import page_data
from harness.leaderboard.page.history import best_over_time
from harness.leaderboard.page.site import STATIC_ROWS, BoardView, board_page, inline_json
from harness.leaderboard.tables import markdown
from harness.submissions.check import verify

ROOT = Path(__file__).resolve().parents[2]
TREE = "submissions/finance"


def broken(folder: Path) -> set[str]:
    return {item.rule for item in verify([folder]).findings if item.severity == "error"}


@pytest.mark.parametrize(("letters", "rules"), [(64, set()), (65, {"place"}), (100, {"place"})])
def test_a_folder_has_a_name_of_64_letters_and_no_more(
    letters: int, rules: set[str], tmp_path: Path
) -> None:
    assert broken(Submission().write(tmp_path / TREE / ("n" * letters))) == rules


@pytest.mark.parametrize(("letters", "rules"), [(100, set()), (121, {"readable"})])
def test_an_author_s_name_of_100_letters_is_shown_whole(
    letters: int, rules: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    s = Submission()
    s.extra["about.json"] = about_json(author={"handle": "a" * 39, "name": "N" * letters})
    assert broken(s.write(tmp_path / TREE / "mine")) == rules
    files, refused = build(tmp_path / "submissions")
    assert bool(refused) is bool(rules)
    assert ("N" * 100 in files.get("finance/entries/mine.js", "")) is not bool(rules)


def test_a_checkout_that_ends_lines_as_windows_does_leaves_every_entry_as_it_is(
    tmp_path: Path,
) -> None:
    """Git for Windows is installed so, and digests are of bytes."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    Submission().write(origin / TREE / "mine")
    shutil.copy(ROOT / ".gitattributes", origin)
    commands = (
        ["init", "--quiet", str(origin)],
        ["-C", str(origin), "add", "--all"],
        ["-C", str(origin), "commit", "--quiet", "--message=one"],
        ["-c", "core.autocrlf=true", "clone", "--quiet", str(origin), str(clone)],
    )
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    for command in commands:
        subprocess.run(["git", *identity, *command], check=True, capture_output=True)
    assert broken(clone / TREE / "mine") == set()


@pytest.mark.parametrize("filed_under", ["own", "named"])
@pytest.mark.parametrize(
    ("board", "named"),
    [("medical", "general-nlp"), ("general-nlp", "medical"), ("medical", "code"),
     ("finance", "medical"), ("finance", "code")],
)  # fmt: skip
def test_an_entry_that_names_another_board_stops_no_other(
    board: str, named: str, filed_under: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    name = "smollm2-135m-dora-r2" if board == "finance" else "smollm2-135m-dora"
    odd = KeptSubmission(ROOT / "submissions" / board / name)
    odd.record["challenge"]["id"] = named
    place = board if filed_under == "own" else named
    folder = odd.write(tmp_path / "submissions" / place / "odd")
    Submission(2).write(tmp_path / TREE / "honest")
    assert {"challenge-digest", "tasks"} <= broken(folder)
    files, refused = build(tmp_path / "submissions")
    assert [text.partition(":")[0] for text in refused] == [str(folder)]
    assert "finance/entries/honest.js" in files


def of_one_team(count: int) -> list[Entry]:
    return [
        Entry(
            key=f"finance/team-{index:03}", name=f"team-{index:03}", kind="run", title="p/r",
            model="m/m", method="dora, fedavg", eligible=True, average=0.3 + index / 2000,
            scores={"fpb": EntryScore(value=0.3, correct=300, examples=1000, low=0.2, high=0.4,
                                      stderr=0.015)},
            level="rescored", author="one-team", created=f"2026-04-{1 + index % 28:02}T12:00:00Z",
        )
        for index in range(count)
    ]  # fmt: skip


def test_500_entries_of_one_team_are_500_rows_of_a_small_page() -> None:
    board, entries = load_board("finance"), of_one_team(500)
    items = ranked(entries)
    assert [item.entry.name for item in items[:2]] == ["team-499", "team-498"]
    data = page_data(items, claimed(entries), board)
    authors = [row[data["fields"].index("author")] for row in data["rows"]]
    assert authors == ["one-team"] * 500
    page = board_page(BoardView(board, items, [], runnable=True))
    assert page.count('<tr data-name="team-') in (0, STATIC_ROWS)
    assert len(inline_json(data)) + len(page) < 400_000
    assert "one-team" not in markdown(items, board, []).split("\n")[0]


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("ahead", "future"), [(-DAY, False), (DAY * 0.9, False), (DAY * 1.1, True)]
)
@pytest.mark.parametrize("whose", ["run", "submission"])
def test_a_clock_may_be_a_day_ahead_and_no_more(
    whose: str, ahead: timedelta, future: bool, tmp_path: Path
) -> None:
    s, moment = Submission(), datetime.now(UTC) + ahead
    if whose == "run":
        s.record["created"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        s.record["run_id"] = f"{moment:%Y%m%dT%H%M%SZ}-{s.record['spec_digest'][:8]}-000001"
    else:
        s.extra["about.json"] = about_json(date=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    found = broken(s.write(tmp_path / TREE / "mine"))
    assert found == ({"created" if whose == "run" else "about"} if future else set())


def test_a_clock_of_tomorrow_takes_no_place_from_whoever_was_better_before() -> None:
    first, second = of_one_team(2)
    today = first.with_values(created="2026-04-01T12:00:00Z", average=0.5)
    tomorrow = second.with_values(created="2026-04-02T12:00:00Z", average=0.4)
    assert [best.name for best in best_over_time([tomorrow, today])] == [today.name]


def test_an_entry_without_scores_is_refused_as_a_run_and_shown_as_a_claim(tmp_path: Path) -> None:
    s = Submission()
    s.record["scores"] = []
    assert "tasks" in broken(s.write(tmp_path / TREE / "mine"))
    record = json.loads((tmp_path / TREE / "mine/result.json").read_text())
    assert record["scores"] == []
