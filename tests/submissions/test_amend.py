"""`harness amend`: an entry is withdrawn, or its people and links are changed; all else stays."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from clean_submission import Submission, about_json
from click.testing import CliRunner

from harness.cli.entries.amend import command
from harness.errors import UsageError
from harness.leaderboard.build import build
from harness.submissions.amend import amend
from harness.submissions.check import verify


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions/finance/mine"
    submission = Submission()
    submission.extra["about.json"] = about_json(author={"handle": "someone", "name": "A team"})
    submission.write(folder)
    Submission(2, skill=0.4).write(folder.with_name("other"))
    return folder


def said(folder: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads((folder / "about.json").read_text())
    return value


def test_a_withdrawn_entry_is_clean_and_shown_and_has_no_rank(entry: Path) -> None:
    files = {p: p.read_bytes() for p in entry.rglob("*") if p.is_file()}
    done = CliRunner().invoke(command, [str(entry), "--withdraw", "trained on test rows"])
    assert done.exit_code == 0, done.output
    changed = {path.name for path, data in files.items() if path.read_bytes() != data}
    assert changed == {"about.json", "manifest.json"}
    report = verify([entry])
    assert report.clean
    assert not report.verdicts[0].eligible
    assert report.verdicts[0].reasons[0].endswith(": trained on test rows")
    files, refused = build(entry.parents[1])
    assert not refused
    runs = [row for row in csv.DictReader(files["finance/leaderboard.csv"].splitlines())
            if row["Status"] != "reference"]  # fmt: skip
    groups = {row["Entry"]: row["Group"] for row in runs}
    assert groups["other"] == "1"
    assert groups["mine"] == ""
    statuses = {row["Entry"]: row["Status"] for row in runs}
    assert statuses == {"other": "eligible", "mine": "withdrawn"}
    assert "**mine** is withdrawn on 20" in files["finance/README.md"]
    assert "not eligible" not in files["finance/README.md"]
    [shown] = [e for e in json.loads(files["finance/leaderboard.json"])["entries"]
               if e["name"] == "mine"]  # fmt: skip
    assert (shown["status"], shown["withdrawn"], shown["eligible"]) == ("withdrawn", True, False)
    assert '<span class="badge withdrawn">withdrawn</span>' in files["finance/index.html"]
    assert "trained on test rows" in files["finance/README.md"]
    assert "trained on test rows" in files["finance/entries/mine.js"]


def test_a_team_is_renamed(entry: Path) -> None:
    amend(entry, {"name": "Another team", "affiliation": None, "paper": "https://example.org/p"})
    assert said(entry)["author"] == {"handle": "someone", "name": "Another team"}
    assert said(entry)["paper"] == "https://example.org/p"
    assert verify([entry]).clean


def test_what_cannot_be_amended_is_said_and_nothing_changes(entry: Path, tmp_path: Path) -> None:
    before = said(entry)
    for stated, withdraw, why in (
        ({}, None, "nothing to change"),
        ({"code": "ftp://example.org"}, None, "change the option"),
        ({}, "two\nlines", "one printable line"),
        ({}, "", "change the option"),
    ):
        with pytest.raises(UsageError, match=why):
            amend(entry, stated, withdraw)
    assert said(entry) == before
    with pytest.raises(UsageError, match="give submissions/<board>/<name>"):
        amend(tmp_path, {}, "a reason")
    with pytest.raises(UsageError, match="no submission"):
        amend(entry.with_name("other"), {"name": "Mine"})
    amend(entry, {}, "a reason")
    with pytest.raises(UsageError, match="a withdrawal stays"):
        amend(entry, {}, "another reason")


@pytest.mark.parametrize(
    ("date", "clean"),
    [
        ("2026-04-02T12:00:00Z", True),
        ("2026-04-02T11:59:59Z", False),
        ("2999-01-01T00:00:00Z", False),
        ("2026-02-30T00:00:00Z", False),
    ],
)
def test_a_withdrawal_is_of_its_time(date: str, clean: bool, tmp_path: Path) -> None:
    submission = Submission()
    submission.extra["about.json"] = about_json(withdrawn={"date": date, "reason": "a reason"})
    submission.write(tmp_path / "submissions/finance/mine")
    report = verify([tmp_path / "submissions"])
    assert report.clean == clean
    assert {item.rule for item in report.findings if item.severity == "error"} <= {"about"}
