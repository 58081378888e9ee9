"""Tables are generated from verified submissions, the same bytes every time, and harmless."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from clean_submission import Submission, about_json
from click.testing import CliRunner

from harness.cli.entries.leaderboard import command
from harness.leaderboard.build import build, claimed, ranked, stale, write
from harness.leaderboard.compare import Rows, p_value, rank_groups
from harness.leaderboard.entries import verdict_store, verdicts
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.figures import counted, mean_of
from harness.leaderboard.entries.references import reference_entries
from harness.leaderboard.entries.verdict_store import cache_file
from harness.leaderboard.page.history import best_over_time, sparkline
from harness.leaderboard.page.site import inline_json
from harness.leaderboard.tables import csv_cell, markdown_cell
from harness.verify.targets import Target

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def board(tmp_path: Path, *submissions: tuple[str, Submission]) -> Path:
    root = tmp_path / "submissions"
    root.mkdir()
    for name, submission in submissions:
        submission.write(root / "finance" / name)
    return root


def test_the_committed_submissions_make_a_leaderboard_and_the_committed_schema_is_current() -> None:
    """Generated files are not committed, so that two submissions never meet in one."""
    files, refused = build(ROOT / "submissions")
    assert refused == []
    assert "finance/index.html" in files
    assert "result.schema.json" not in stale(files, ROOT / "leaderboard")
    listed = ["git", "-C", str(ROOT), "ls-files", "leaderboard"]
    done = subprocess.run(listed, capture_output=True, text=True, check=False)
    assert done.stdout.split() in ([], ["leaderboard/result.schema.json"])


def test_names_that_are_not_utf_8_are_refused_and_stop_no_board(tmp_path: Path) -> None:
    root = board(tmp_path, ("one", Submission()), ("\udcff", Submission(2)))
    (root / "finance/one/\udcfe").write_bytes(b"")
    for _ in ("first", "with verdicts kept"):
        files, refused = build(root)
        assert "finance/index.html" in files
        assert sorted(text.rpartition(": ")[2] for text in refused) == ["known-files", "place"]
        assert all(text.isprintable() for text in refused)


def test_check_finds_a_stale_file(tmp_path: Path) -> None:
    root = board(tmp_path, ("one", Submission()))
    arguments = ["--submissions", str(root), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert CliRunner().invoke(command, [*arguments, "--check"]).exit_code == 0
    page = tmp_path / "out" / "finance" / "index.html"
    page.write_text(page.read_text().replace("one", "won"))
    result = CliRunner().invoke(command, [*arguments, "--check"])
    assert result.exit_code == 1
    assert "index.html" in result.output


def test_files_that_nothing_touched_are_not_read_again_and_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = board(tmp_path, ("one", Submission(1)), ("two", Submission(2)))
    monkeypatch.setattr(verdicts, "SETTLED_S", -1.0)
    first, _ = build(root)
    read: list[str] = []
    real = verdicts.list_target

    def counted_listing(target: Target) -> verdicts.Listing:
        read.append(target.name)
        return real(target)

    monkeypatch.setattr(verdicts, "list_target", counted_listing)
    assert build(root)[0] == first
    assert read == []
    plot = root / "finance/two/README.md"
    plot.write_text(plot.read_text().replace("\n", "\r", 1)[: plot.stat().st_size])
    assert build(root)[1] != []
    assert [Path(name).name for name in read] == ["two"]


def test_a_file_written_a_moment_ago_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time may stay what it is when it changes once more."""
    root = board(tmp_path, ("one", Submission(1)))
    build(root)
    assert verdict_store.seen_folders([str(root / "finance/one")]) == {}


def test_an_entry_that_left_leaves_no_page(tmp_path: Path) -> None:
    root = board(tmp_path, ("one", Submission(1)), ("two", Submission(2)))
    out = tmp_path / "out"
    write(build(root)[0], out)
    assert (out / "finance/entries/two.js").is_file()
    shutil.rmtree(root / "finance" / "two")
    files, _ = build(root)
    assert "finance/entries/two.js" in stale(files, out)
    write(files, out)
    assert not (out / "finance/entries/two.js").exists()
    assert stale(files, out) == []


def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path: Path) -> None:
    root = board(tmp_path, ("one", Submission(1)))
    first, _ = build(root)
    cache_file().write_bytes(b"not a database")
    assert build(root)[0] == first


def test_the_same_submissions_give_the_same_bytes_with_and_without_the_cache(
    tmp_path: Path,
) -> None:
    root = board(tmp_path, ("one", Submission(1)), ("two", Submission(2)))
    cold, _ = build(root)
    warm, _ = build(root)
    assert cold == warm


def test_a_changed_submission_is_checked_again_and_refused(tmp_path: Path) -> None:
    root = board(tmp_path, ("one", Submission()))
    assert build(root)[1] == []
    card = root / "finance/one/README.md"
    card.write_text(card.read_text() + "changed")
    files, refused = build(root)
    assert refused == [f"{root}/finance/one: card, manifest"]
    names = [e["name"] for e in json.loads(files["finance/leaderboard.json"])["entries"]]
    assert "one" not in names


def test_a_submission_that_is_refused_is_named_with_what_says_why(tmp_path: Path) -> None:
    root = board(tmp_path, ("good", Submission(1)), ("bad", Submission(2)))
    arguments = ["--submissions", str(root), "--out", str(tmp_path / "out")]
    assert "harness verify" not in CliRunner().invoke(command, arguments).stderr
    (root / "finance/bad/README.md").write_text("# Mine\n")
    told = CliRunner().invoke(command, arguments)
    assert told.exit_code == 1
    assert f"refused {root}/finance/bad: " in told.stderr
    assert f"harness verify {root}\n" in told.stderr


def test_entries_that_cannot_be_told_apart_share_a_group(tmp_path: Path) -> None:
    """Two models of one skill differ by chance; one of another skill does not."""
    root = board(
        tmp_path,
        ("a", Submission(1, skill=0.6)),
        ("b", Submission(2, skill=0.6)),
        ("c", Submission(3, skill=0.9)),
    )
    value = json.loads(build(root)[0]["finance/leaderboard.json"])
    group = {item["name"]: item["rank_group"] for item in value["entries"]}
    assert group["c"] == 1
    assert group["a"] == group["b"] == 2
    assert value["entries"][0]["name"] == "c"


def entry(name: str, **bits: str) -> Entry:
    scores = {task: counted(text.count("1"), len(text), text) for task, text in bits.items()}
    average, low, high = mean_of(scores)
    return Entry(
        key=f"finance/{name}", name=name, kind="run", title="", model="", method="", eligible=True,
        scores=scores, average=average, low=low, high=high, level="rescored",
    )  # fmt: skip


def test_the_paired_test_is_mcnemar_s_on_one_set() -> None:
    """40 rows differ, 30 to 10: the normal form of McNemar's test gives z = 20 / sqrt(40)."""
    a = entry("a", t="1" * 30 + "0" * 10 + "1" * 60)
    b = entry("b", t="0" * 30 + "1" * 10 + "1" * 60)
    assert p_value(a, b, Rows.of(a), Rows.of(b)) == pytest.approx(0.0015654, rel=1e-4)


def test_the_paired_test_weighs_sets_as_the_average_does() -> None:
    """The same 10 rows matter more in a set of 100 than in one of 10,000."""
    small = p_value(*pair(100), *map(Rows.of, pair(100)))
    assert small < 0.05
    large = p_value(*pair(10_000), *map(Rows.of, pair(10_000)))
    assert large == pytest.approx(small)  # one differing set: its weight cancels


def pair(rows: int) -> tuple[Entry, Entry]:
    same = "1" * 50 + "0" * 50
    a = entry("a", x="1" * 10 + "0" * (rows - 10), y=same)
    return a, entry("b", x="0" * rows, y=same)


def test_identical_entries_share_a_group_and_order_by_name() -> None:
    entries = [entry("b", t="10"), entry("a", t="10")]
    assert set(rank_groups(entries).values()) == {1}
    assert [item.entry.name for item in ranked(entries)] == ["a", "b"]


def test_a_claim_of_every_row_right_ranks_nowhere_and_stands_above_nothing() -> None:
    """A README with invented figures, a run that may not rank, and an honest run."""
    invented = entry("invented", t="1" * 100).with_values(
        kind="claim", eligible=False, bytes_total=2**19
    )
    barred = entry("barred", t="1" * 90 + "0" * 10).with_values(eligible=False, bytes_total=2**20)
    honest = entry("honest", t="1" * 60 + "0" * 40).with_values(bytes_total=2**21)
    items, claims = ranked([invented, barred, honest]), claimed([invented, barred, honest])
    assert [(item.entry.name, item.group) for item in items] == [("honest", 1), ("barred", None)]
    assert [(item.entry.name, item.group) for item in claims] == [("invented", None)]
    assert [best.name for best in best_over_time([honest])] == ["honest"]


def test_references_are_the_published_ones() -> None:
    """The empty answer scores 60.15, 7.89, 65.58; the best constants average 61.76."""
    rows = {item.name: item for item in reference_entries("finance")}
    empty = rows["empty-answer"].scores
    assert [round(100 * empty[t].value, 2) for t in ("fpb", "fiqa", "tfns")] == [60.15, 7.89, 65.58]
    assert round(100 * (rows["best-constant"].average or 0), 2) == 61.76
    assert round(100 * (rows["upstream-baseline"].average or 0), 2) == 45.27


def test_the_best_of_its_time_is_better_than_all_before_it() -> None:
    dated = [
        entry(name, t=bits).with_values(created=f"{date}T12:00:00+00:00")
        for name, bits, date in (
            ("first", "1000", "2026-05-01"), ("worse", "0000", "2026-05-02"),
            ("same-day", "1100", "2026-05-03"), ("best", "1110", "2026-05-03"),
            ("late", "1110", "2026-05-04"),
        )
    ]  # fmt: skip
    history = best_over_time(dated)
    assert [(best.name, best.date) for best in history] == [
        ("first", "2026-05-01"), ("best", "2026-05-03"),
    ]  # fmt: skip
    assert sparkline(history).startswith("M0.0 42")
    assert sparkline(history[:1]) == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t"))


def test_markdown_of_a_stranger_stays_text() -> None:
    evil = "[x](javascript:alert(1)) <img src=x> | `a` @someone"
    assert not re.search(r"(?<!\\)[<\[|`@]", markdown_cell(evil))


def test_inline_json_cannot_end_its_script() -> None:
    evil = "</script><script>alert(1)</script>\u2028"
    text = str(inline_json({"x": evil}))
    assert "<" not in text
    assert json.loads(text) == {"x": evil}


def test_markup_in_every_string_of_a_submission_stays_text(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>|=HYPERLINK("x")'
    submission = Submission()
    submission.record["environment"]["device"]["name"] = evil
    submission.record["environment"]["platform"] = evil
    author = {"handle": "someone", "name": evil, "affiliation": evil}
    submission.extra["about.json"] = about_json(author=author)
    submission.respec(lambda spec: spec["train"]["prompt"].update(style="chat", system=evil))
    files, refused = build(board(tmp_path, ("evil", submission)))
    assert refused == []
    for name, text in files.items():
        if name.endswith((".html", ".js")):
            assert "alert(1)</script>" not in text
            assert text.count("<script") == (name.endswith(".html") and name != "index.html")
    rows = list(csv.reader(io.StringIO(files["finance/leaderboard.csv"])))
    assert all(not cell.startswith("=") for row in rows for cell in row)


def test_the_schema_accepts_a_record_and_refuses_another(tmp_path: Path) -> None:
    files, _ = build(board(tmp_path))
    schema = json.loads(files["result.schema.json"])
    jsonschema.validate(Submission().record, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(Submission().record | {"surprise": 1}, schema)
    assert schema["properties"]["schema"]["const"] == "flowertune-harness/result"


def test_write_touches_only_what_changed(tmp_path: Path) -> None:
    files, _ = build(board(tmp_path))
    write(files, tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    write(files, tmp_path / "out")
    assert before == {p: p.stat().st_mtime_ns for p in before}


@pytest.mark.parametrize(
    ("better", "worse", "groups"),
    [(116, 88, [1, 2]), (74, 52, [1, 1])],  # p = 0.04995 and 0.050006
)
def test_entries_that_chance_would_part_once_in_twenty_times_share_a_group(
    better: int, worse: int, groups: list[int]
) -> None:
    """Rows that only one of two entries has right, 116 to 88: z = 28 / sqrt(204)."""
    a = entry("a", t="1" * better + "0" * worse + "0" * 80)
    b = entry("b", t="0" * better + "1" * worse + "0" * 80)
    found = rank_groups([a, b])
    assert [found["finance/a"], found["finance/b"]] == groups
