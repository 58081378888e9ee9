"""What of an entry is shown: how many points, samples and characters, and how wide an interval."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from clean_submission import COMMAND, Submission, about_json

from harness.boards.board import ShownMeasure, load_board
from harness.boards.challenge import load_challenge
from harness.boards.open_division import OpenRules
from harness.leaderboard.build import build, claimed, ranked
from harness.leaderboard.columns import cells, headings, percent
from harness.leaderboard.data import board_value
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.entries.figures import mean_of
from harness.leaderboard.entries.references import reference_entries
from harness.leaderboard.entries.run_details import run_details
from harness.leaderboard.entries.run_entry import run_entry
from harness.leaderboard.page.columns import columns_of, page_data
from harness.leaderboard.page.site import STATIC_ROWS, BoardView, board_page, overview_page
from harness.leaderboard.tables import comma_separated, markdown
from harness.record.card import card
from harness.record.result import ResultRecord
from harness.verify.read_submission import read_submission
from harness.verify.submission import Submission as Read
from harness.verify.targets import find_targets


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def shown(tmp_path: Path, submission: Submission) -> dict[str, Any]:
    """Return the entry of a submission as the page holds it."""
    root = tmp_path / "submissions"
    submission.write(root / "finance" / "one")
    files, refused = build(root)
    assert refused == []
    name, text = re.fullmatch(
        r'leaderboardEntry\("(.*?)", (.*)\);\n', files["finance/entries/one.js"]
    ).groups()  # type: ignore[union-attr]
    assert name == "one"
    value: dict[str, Any] = json.loads(text)
    return value


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
    html = board_page(BoardView(board, [item], [], runnable=True))
    table = html[html.index('<table id="board-table"') : html.index("</table>")]
    head, body = table.split("</thead>")
    assert head.count("<th ") == body.count("<th ") + body.count("<td ")
    assert "likelihood" not in html.split("<script")[0].lower()


def test_a_percentage_is_the_same_in_every_table() -> None:
    """Of 2,388 rows 1,202 are 50.33501 %: rounded to 50.335 before, the page would show 50.33."""
    board, task = load_board("finance"), "tfns"
    rows = board.rows[task]
    column = list(board.rows).index(task)
    found = set()
    for right in range(rows + 1):
        value = right / rows
        score = EntryScore(value=value, examples=rows, low=0, high=1, stderr=0.1)
        items = ranked([many(1)[0].with_values(scores={task: score}, average=value)])
        data = page_data(items, [], board)
        at = data["fields"].index(f"s{column}")
        if percent(data["rows"][0][at]) != percent(value):
            found.add(right)
    assert found == set()


def test_the_csv_table_holds_numbers_where_it_shows_numbers() -> None:
    board = load_board("finance")
    [row] = csv.DictReader(io.StringIO(comma_separated(ranked(many(1)), board)))
    assert [float(row[name]) for name in ("Average %", "±", "FPB %")] == [50.0, 40.0, 50.0]
    assert len(set(row)) == len(row), "two columns share a name"


def test_the_first_rows_of_a_page_say_what_its_script_says_afterwards() -> None:
    """An average with its interval, and what a reference is."""
    board, items = load_board("finance"), ranked([*many(1), *reference_entries("finance")])
    html = board_page(BoardView(board, items, [], runnable=True))
    assert '50.00 <span class="sub">± 40.0</span>' in html
    data = page_data(items, [], board)
    told = {row[data["fields"].index("about")] for row in data["rows"]} - {""}
    assert len(told) == 3
    assert all(text in unescape(html) for text in told)


def test_every_column_that_a_name_does_not_explain_is_explained_below_the_tables() -> None:
    board = load_board("finance")
    html = unescape(board_page(BoardView(board, [], [], runnable=True)))
    notes = html[html.index('id="notes-title"') :]
    for column in columns_of(board):
        assert not column.about or f"<dt>{column.label}</dt><dd>{column.about}.</dd>" in notes


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


def many(count: int) -> list[Entry]:
    score = EntryScore(value=0.5, examples=4, low=0.1, high=0.9, stderr=0.2)
    return [
        Entry(
            key=f"finance/e{n:03d}", name=f"e{n:03d}", kind="run", title="t", model="m", method="m",
            eligible=True, scores={"fpb": score}, average=0.5, low=0.1, high=0.9, level="rescored",
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("more", [0, 1])
def test_50_rows_stand_in_the_html_and_the_rest_in_the_data(more: int) -> None:
    board, items = load_board("finance"), ranked(many(STATIC_ROWS + more))
    html = board_page(BoardView(board, items, [], runnable=True))
    assert html.count('<tr class="run">') == 50
    assert (f"50 of {50 + more} rows" in html) is bool(more)
    assert len(page_data(items, [], board)["rows"]) == 50 + more


def test_a_text_of_a_recipe_is_shown_up_to_4000_characters(tmp_path: Path) -> None:
    s = Submission()
    template = "x" * 3_984 + "### Response: {output}"

    def change(spec: dict[str, Any]) -> None:
        spec["train"]["prompt"]["template"] = template

    s.respec(change)
    assert shown(tmp_path, s)["texts"]["prompt template"] == template[:4_000]


def test_an_entry_says_what_to_type_and_how_long_it_takes(tmp_path: Path) -> None:
    s = Submission()
    s.extra["about.json"] = about_json(
        command=COMMAND, author={"handle": "someone"}, licence="MIT", code="https://example.org/x"
    )
    s.card = card(ResultRecord.model_validate(s.record), load_challenge("finance"), COMMAND)
    page = shown(tmp_path, s)
    place = "submissions/finance/one"
    steps = {item["earns"]: item for item in page["repetitions"]}
    assert list(steps) == ["rescored", "re-evaluated", "round-replayed", "re-run"]
    assert f"harness reproduce {place} --round 1 --write" == steps["round-replayed"]["command"]
    assert steps["round-replayed"]["seconds"] == s.record["federation"]["rounds"][0]["duration_s"]
    assert steps["re-run"]["seconds"] == sum(s.record["timing"].values())
    assert "--adapter DIR" in steps["re-evaluated"]["command"]
    assert page["command"].startswith("harness run --plugin pretend/small")
    assert page["author"] == {"handle": "someone"}
    assert page["links"] == [
        {"what": "sources", "text": "https://example.org/x", "url": "https://example.org/x"}
    ]
    assert set(page["files"]) >= {"result.json", "about.json", "generations/fpb.jsonl"}
    assert "prompt template" in page["texts"]
    assert "the settings of pretend/small: no recipe that is known here" in page["stated"]


def test_a_box_names_the_folder_of_the_open_division(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "submissions/finance/one")
    read, _ = read_submission(next(find_targets(folder)))
    assert read is not None
    spec = read.record.spec.model_copy(update={"open": OpenRules(num_supernodes=10)})
    opened = replace(read, record=read.record.model_copy(update={"spec": spec}))
    assert "harness verify submissions/finance-open/one" in commands_of(opened)


def test_an_entry_says_that_its_messages_were_encoded(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "submissions/finance/one")
    read, _ = read_submission(next(find_targets(folder)))
    assert read is not None
    train = read.record.spec.train.with_values(codec={"name": "top-k", "share": 0.2})
    spec = read.record.spec.model_copy(update={"train": train})
    coded = replace(read, record=read.record.model_copy(update={"spec": spec}))
    assert run_details(coded).config["codec"] == "top-k, share 0.2, from clients only"
    assert run_entry(coded, ()).method.endswith(", top-k")
    assert "codec" not in run_details(read).config


def test_a_box_says_where_plugins_of_others_are_installed_from(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "submissions/finance/one")
    read, _ = read_submission(next(find_targets(folder)))
    assert read is not None
    notes = [item.note for item in run_details(read).repetitions if "tox -e repro" in item.note]
    assert len(notes) == 2
    for note in notes:
        assert "/result.json --install WHERE " in note
        assert note.endswith(", where WHERE is what pip installs plugin pretend 1.0.0 from")
    ours = tuple(ref for ref in read.record.plugins if ref.name != "pretend")
    other = replace(read, record=read.record.model_copy(update={"plugins": ours}))
    assert not any("WHERE" in item.note for item in run_details(other).repetitions)


def test_a_box_names_the_training_file_that_the_hub_has_not(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "submissions/finance/one")
    read, _ = read_submission(next(find_targets(folder)))
    assert read is not None
    notes = [item.note for item in run_details(read).repetitions]
    assert not any("HARNESS_MIRROR" in note for note in notes)
    update = {"notes": ("not the hub's",), "source": "mirror", "files": {"train.parquet": "a" * 64}}
    data = tuple(
        item.model_copy(update=update) if item.kind == "training" else item
        for item in read.record.data
    )
    other = replace(read, record=read.record.model_copy(update={"data": data}))
    told = [item.note for item in run_details(other).repetitions if "HARNESS_MIRROR" in item.note]
    assert len(told) == 2
    assert all(f"/train.parquet (sha256 {'a' * 16})" in note for note in told)


def commands_of(submission: Read) -> list[str]:
    return [item.command for item in run_details(submission).repetitions]


def test_an_entry_without_scores_and_one_of_long_names_are_shown_everywhere() -> None:
    board = load_board("finance")
    bare = Entry(
        key="finance/bare", name="bare", kind="claim", title="", model="", method="",
        eligible=False, scores={}, average=None, level="claimed",
    )  # fmt: skip
    long = bare.with_values(
        key="finance/" + "n" * 64, name="n" * 64, kind="run", title="t" * 100, model="m" * 100,
        author="a" * 39, created="2999-01-01T00:00:00Z", level="rescored",
    )  # fmt: skip
    items, claims = ranked([bare, long]), claimed([bare, long])
    view = BoardView(board, items, claims, runnable=True)
    for text in (board_page(view), overview_page([view]), markdown(items, board, claims)):
        assert "None" not in text
        assert "n" * 64 in text
    rows = list(csv.reader(io.StringIO(comma_separated(claims, board))))
    assert len({len(row) for row in rows}) == 1
    assert [row[1] for row in rows] == ["Entry", "bare"]
    data = page_data(items, claims, board)
    assert [row[data["fields"].index("average")] for row in data["rows"]] == [None, None]


@pytest.mark.parametrize("more", [0, 1])
def test_200_rows_stand_in_the_markdown_and_the_rest_is_counted(more: int) -> None:
    board, items = load_board("finance"), ranked(many(200 + more))
    text = markdown(items, board, [])
    assert len(re.findall(r"^\| 1 ", text, re.M)) == 200
    assert ("and 1 more" in text) is bool(more)
