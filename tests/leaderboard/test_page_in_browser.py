"""The pages in a real browser: tables, filters, plots, entries, comparison, keyboard, widths."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from clean_submission import Submission, about_json
from click.testing import CliRunner
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service

from harness.boards.board import load_board
from harness.cli import cli
from harness.leaderboard.build import build, ranked, write
from harness.leaderboard.compare import Rows, p_value
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.entries.verdicts import entries_of
from harness.leaderboard.page.columns import Column, Form, page_data, shown_value
from harness.leaderboard.page.site import (
    BoardView,
    Site,
    board_page,
    data_script,
    inline_json,
    verify_page,
)
from harness.verify.targets import find_targets

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
]  # fmt: skip

EVIL = '<img src=x onerror="window.owned=1">"><script>window.owned=1</script>'
LONG = "a-name-of-the-sixty-four-characters-that-a-folder-may-have-00001"
CLAIM = "submissions/finance/ethicalabs-smollm2-1.7b/claim.json"

Page = tuple[webdriver.Chrome, str]
"""A browser, and the address of the folder of pages."""

BOARD = "finance/index.html"
NAMES = "return [...document.querySelectorAll('#board-table tbody .name')]"
NAMES += ".map((item) => item.textContent.trim())"
HEADING = "return document.querySelector('#entry h2')?.textContent"


def replayed(submission: Submission) -> None:
    """Let somebody have replayed the first round of a run, and evaluated nothing again."""
    record, moment = submission.record, "2026-04-02T12:00:00Z"
    command = "harness reproduce submissions/finance/good --round 1"
    submission.evidence["round-replayed"] = {
        "level": "round-replayed", "date": moment, "command": command,
        "spec_digest": record["spec_digest"], "adapter_sha256": record["adapter"]["sha256"],
        "compared": {"round 1": record["federation"]["rounds"][0]["aggregate_sha256"]},
        "packages": {"torch": "2.13.0"}, "device": "cpu",
    }  # fmt: skip
    data = submission.files()["evidence/round-replayed.json"]
    submission.ladder = [
        {"level": "round-replayed", "date": moment, "command": command,
         "digest": hashlib.sha256(data).hexdigest()}
    ]  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Yield a browser and pages of four runs, one of them hostile, and a claim."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver (Debian: chromium, chromium-driver)")
    root = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(root / "cache"))
        for name, skill, device in (
            ("good", 0.9, "A"), ("poor", 0.4, "B"), ("evil", 0.6, EVIL), (LONG, 0.5, "C"),
        ):  # fmt: skip
            submission = Submission(seed=len(name) + ord(name[0]), skill=skill)
            submission.record["environment"]["device"]["name"] = device
            author = {"handle": name[:39].strip("-"), "affiliation": EVIL[:100].strip()}
            author |= {"name": "Jürgen Łuć"} if name == "poor" else {}
            submission.extra["about.json"] = about_json(author=author, licence="MIT")
            if name == "good":
                replayed(submission)
            submission.write(root / "submissions" / "finance" / name)
        (root / CLAIM).parent.mkdir(parents=True)
        shutil.copyfile(ROOT / CLAIM, root / CLAIM)
        files, refused = build(root / "submissions")
    assert refused == []
    write(
        files | {"verify.html": verify_page(Site(verifier_bytes=17_000_000))}, root / "leaderboard"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={root / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as session:
        yield session, (root / "leaderboard").as_uri()


def show(page: Page, place: str = BOARD, width: int = 1360, height: int = 900) -> webdriver.Chrome:
    """Open a page anew, in a window of this size, and wait for its script."""
    session, url = page
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    session.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    session.get("about:blank")
    session.get(f"{url}/{place}")
    if BOARD in place:
        done = "'#entry h2, #board-table tbody .pick, #board-table .none'"
        eventually(session, f"return document.querySelector({done}) !== null", True)
    return session


def eventually(session: webdriver.Chrome, script: str, expected: object) -> None:
    """Wait for what follows an event, which browsers announce when they get to it."""
    deadline = time.monotonic() + 20
    while (found := session.execute_script(script)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


def click(session: webdriver.Chrome, css: str) -> None:
    session.find_element("css selector", css).click()


def choose(session: webdriver.Chrome, css: str, value: str) -> None:
    session.execute_script(
        "const item = document.querySelector(arguments[0]); item.value = arguments[1];"
        "item.dispatchEvent(new Event('change', {bubbles: true}));", css, value,
    )  # fmt: skip


def press(session: webdriver.Chrome, key: str) -> None:
    ActionChains(session).send_keys(key).perform()


def errors(session: webdriver.Chrome) -> list[str]:
    """Return the errors on the console since the last call."""
    entries = session.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "ERROR")]


def test_sort_search_open_and_return_and_the_address_says_so(page: Page) -> None:
    session = show(page)
    everything = session.execute_script(NAMES)
    assert everything[0] == "good"
    assert len(everything) == 7  # four runs, three references
    click(session, "th[data-key=name] button")
    assert session.execute_script(NAMES)[0] == LONG
    click(session, "#board-table th[data-key=s1] button")
    assert session.execute_script(NAMES)[0] == "good"
    click(session, "#board-table th[data-key=s1] button")
    sort = "return document.querySelector('#board-table th[data-key=s1]').ariaSort"
    assert session.execute_script(sort) == "ascending"
    press(session, "/")
    session.find_element("css selector", "#query").send_keys("evil")
    assert session.execute_script(NAMES) == ["evil"]
    assert session.find_element("css selector", "#count").text == "1 of 4 runs"
    address = session.execute_script("return location.hash")
    assert "q=evil" in address
    assert "sort=s1" in address

    click(session, "#board-table tbody a.name")
    eventually(session, HEADING, "evil")
    eventually(session, "return document.activeElement.tagName", "H2")
    shown = session.execute_script("return document.getElementById('entry').textContent")
    assert EVIL in shown
    assert "harness reproduce submissions/finance/evil --round 1 --write" in shown
    assert session.execute_script("return document.querySelectorAll('#entry .curve').length") == 1
    press(session, Keys.ESCAPE)
    eventually(session, "return document.getElementById('entry').hidden", True)
    eventually(session, "return document.activeElement.textContent.trim()", "evil")
    assert session.execute_script("return location.hash") == address
    assert session.execute_script(NAMES) == ["evil"]
    assert session.execute_script("return window.owned === undefined") is True
    assert errors(session) == []


@pytest.mark.parametrize("typed", ["jurgen", "JÜRGEN", "Ju\u0308rgen poor", "  pöor "])
def test_a_search_finds_names_of_people_with_and_without_their_accents(
    typed: str, page: Page
) -> None:
    session = show(page)
    session.find_element("css selector", "#query").send_keys(typed)
    assert session.execute_script(NAMES) == ["poor"]


def test_an_old_address_of_columns_that_are_gone_shows_the_usual_ones(page: Page) -> None:
    heads = "return [...document.querySelectorAll('#board-table thead th')].length"
    usual = show(page).execute_script(heads)
    session = show(page, f"{BOARD}#/?sort=-gone&cols=gone,gone2&from=2026-13-99")
    assert session.execute_script(heads) == usual
    assert session.execute_script("return document.getElementById('sort-select').value") == ""
    assert len(session.execute_script(NAMES)) == 7
    assert errors(session) == []


def test_rows_below_the_window_follow_the_first_ones(page: Page) -> None:
    """Of 64 entries: whatever was drawn before, the table is whole and in order, no row is old."""
    pages = Path(unquote(urlsplit(page[1]).path))
    text = (pages / "finance/entries.js").read_text("utf-8")
    begin, end = text.index("(") + 1, text.rindex(")")
    data = json.loads(text[begin:end])
    at = data["fields"].index("name")
    run = next(row for row in data["rows"] if row[at] == "good")
    names = [f"copy-{number:02}" for number in range(64)]
    data["rows"] = [[*run[:at], name, *run[at + 1 :]] for name in reversed(names)]
    many = pages / "many" / "finance"
    many.mkdir(parents=True)
    shutil.copyfile(pages / "finance/index.html", many / "index.html")
    (many / "entries.js").write_text(f"{text[:begin]}{json.dumps(data)}{text[end:]}", "utf-8")

    session = show(page, f"many/{BOARD}")
    eventually(session, NAMES, names[::-1][:50])
    click(session, "th[data-key=name] button")
    assert session.execute_script(NAMES)[:15] == names[:15]
    eventually(session, NAMES, names[:50])
    click(session, "[data-step='Next page']")
    eventually(session, NAMES, names[50:])
    click(session, "[data-step='Previous page']")
    session.find_element("css selector", "#query").send_keys("copy-1")
    eventually(session, NAMES, names[10:20])
    assert errors(session) == []


def test_who_skips_to_the_content_keeps_the_filter_and_the_entry(page: Page) -> None:
    session = show(page, f"{BOARD}#/?q=evil&sort=s1")
    focused = "return document.activeElement.matches(arguments[0])"
    for place, target in (("#/?q=evil&sort=s1", "#overview .scroll"), ("#/entry/evil", "h2")):
        session.execute_script("location.hash = arguments[0]; scrollTo(0, 0);", place)
        eventually(session, "return document.getElementById('entry').hidden", target != "h2")
        session.execute_script("document.querySelector('.skip').focus()")
        press(session, Keys.ENTER)
        assert session.execute_script(focused, target) is True
        assert session.execute_script("return location.hash") == place


def test_a_reference_says_what_it_is(page: Page) -> None:
    session = show(page)
    rows = session.find_elements("css selector", "#board-table tr.reference")
    assert len(rows) == 3
    assert all(len(row.find_element("css selector", ".sub").text) > 20 for row in rows)


def test_an_address_shows_the_same_to_everybody(page: Page) -> None:
    session = show(page, f"{BOARD}#/?sort=average&cols=average,author&licence=MIT&page=99")
    assert session.execute_script(NAMES) == ["poor", LONG, "evil", "good"]
    heads = "return [...document.querySelectorAll('#board-table thead th')]"
    assert session.execute_script(f"{heads}.map((item) => item.dataset.key)") == [
        "name", "average", "author",
    ]  # fmt: skip
    session = show(page, f"{BOARD}#/?sort=constructor&page=-1&from=soon&cols=%3Cscript%3E")
    assert len(session.execute_script(NAMES)) == 7
    assert errors(session) == []


def test_a_filter_that_nothing_meets_says_so_and_is_cleared(page: Page) -> None:
    session = show(page, f"{BOARD}#/?licence=Apache-2.0")
    assert session.execute_script(NAMES) == []
    assert "No entry is like that" in session.find_element("css selector", "#board-table").text
    drawn = "return document.getElementById('plot').textContent.startsWith('Nothing to draw')"
    eventually(session, drawn, True)
    click(session, "#board-table [data-reset]")
    assert len(session.execute_script(NAMES)) == 7
    session = show(page, "medical/index.html")
    eventually(session, "return document.querySelector('.table-tools').hidden", False)
    assert "Yours would be the first" not in session.find_element("css selector", "#plot").text
    assert errors(session) == []


@pytest.mark.parametrize("place", ["entry/nobody", "compare/good/nobody", "entry/%3Cimg%3E"])
def test_an_entry_that_is_not_there_is_said_to_be_missing(page: Page, place: str) -> None:
    session = show(page, f"{BOARD}#/{place}")
    eventually(session, HEADING, "No such entry")
    assert session.execute_script("return document.querySelectorAll('#entry img').length") == 0
    assert errors(session) == []


@pytest.mark.parametrize("place", ["entry/%E0%A4%A", "compare/good", "entry/", "elsewhere"])
def test_an_address_of_no_form_shows_the_table(page: Page, place: str) -> None:
    session = show(page, f"{BOARD}#/{place}")
    assert session.execute_script("return document.getElementById('overview').hidden") is False
    assert errors(session) == []


def test_a_level_that_nobody_earned_is_not_ticked(page: Page) -> None:
    session = show(page, f"{BOARD}#/entry/good")
    eventually(session, HEADING, "good")
    ticked = "return [...document.querySelectorAll('.ladder li.on')].map((i) => i.firstChild.data)"
    assert session.execute_script(ticked) == ["claimed", "rescored", "round-replayed"]
    session = show(page, f"{BOARD}#/entry/poor")
    eventually(session, HEADING, "poor")
    assert session.execute_script(ticked) == ["claimed", "rescored"]


def test_the_table_says_which_level_below_the_highest_is_missing(page: Page) -> None:
    session = show(page)
    said, dots = (
        "return Object.fromEntries([...document.querySelectorAll('#board-table tr.run')].map((row)"
        f" => [row.dataset.name, {what}]))"
        for what in (
            "row.querySelector('td.level > .sub')?.textContent",
            "[...row.querySelectorAll('.level rect')].map((dot) => dot.getAttribute('class'))",
        )
    )
    assert {k: v for k, v in session.execute_script(said).items() if v} == {
        "good": "not re-evaluated"
    }
    found = session.execute_script(dots)
    assert found["good"] == ["on", "on", "off", "on", "off"]
    assert found["poor"] == ["on", "on", "off", "off", "off"]


def test_two_entries_are_compared_as_the_table_s_groups_are(page: Page) -> None:
    session = show(page)
    for name in ("good", "poor"):
        click(session, f"input.pick[value={name}]")
    click(session, "#compare-link")
    eventually(session, HEADING, "good and poor")
    root = Path(page[1].removeprefix("file://")).parent
    found = {item.entry.name: item.entry for item in entries_of([
        target for name in ("good", "poor")
        for target in find_targets(root / "submissions/finance" / name)
    ])[0]}  # fmt: skip
    good, poor = found["good"], found["poor"]
    cells = "return [...document.querySelectorAll('#entry .compare tbody tr')]"
    rows = session.execute_script(
        f"{cells}.map((row) => [...row.cells].map((item) => item.textContent))"
    )
    for row, task in zip(rows, good.scores, strict=False):
        pairs = list(zip(good.scores[task].bits or "", poor.scores[task].bits or "", strict=True))
        assert row[4:6] == [str(pairs.count(("1", "0"))), str(pairs.count(("0", "1")))]
    assert p_value(good, poor, Rows.of(good), Rows.of(poor)) < 1e-4
    assert rows[-1][-1] == "< 0.0001"
    show(page, f"{BOARD}#/compare/evil/{LONG}")
    eventually(session, HEADING, f"evil and {LONG}")
    a, b = (
        entries_of(list(find_targets(root / "submissions/finance" / name)))[0][0].entry
        for name in ("evil", LONG)
    )
    shown = session.execute_script(f"{cells}.at(-1).cells[6].textContent")
    assert float(shown.replace("< ", "")) == pytest.approx(
        max(p_value(a, b, Rows.of(a), Rows.of(b)), 1e-4), abs=6e-5
    )
    assert errors(session) == []


def test_every_entry_can_be_chosen_to_compare_with(page: Page) -> None:
    session = show(page, f"{BOARD}#/entry/good")
    eventually(session, HEADING, "good")
    told = "return document.querySelector('.compare-picker output').textContent"
    offered = "return [...document.querySelectorAll('#compare-names option')].map((o) => o.value)"
    assert session.execute_script(told) == "4 of 4 entries"
    field = session.find_element("id", "compare-with")
    field.send_keys("EV")
    assert (session.execute_script(offered), session.execute_script(told)) == (
        ["evil"], "1 of 4 entries",
    )  # fmt: skip
    field.send_keys(Keys.BACKSPACE * 2, "poor", Keys.ENTER)
    eventually(session, HEADING, "good and poor")
    assert errors(session) == []


def test_of_thousands_of_entries_the_last_one_is_found_to_compare_with(page: Page) -> None:
    board, score = load_board("finance"), EntryScore(value=0.5, examples=4, low=0, high=1, stderr=0)
    entries = [
        Entry(
            key=f"finance/e{n}", name=f"e{n}", kind="run", title="t", model="m", method="m",
            eligible=False, scores={"fpb": score}, average=0.5, level="rescored",
        )
        for n in range(6_000)
    ]  # fmt: skip
    items = ranked(entries)
    root = Path(page[1].removeprefix("file://"))
    one = (root / "finance/entries/good.js").read_text("utf-8")
    data = inline_json(page_data(items, [], board))
    write(
        {
            "finance/index.html": board_page(BoardView(board, items, [], runnable=True)),
            "finance/entries.js": data_script("leaderboardIndex", data),
            "finance/entries/e0.js": one.replace('"good"', '"e0"', 1),
            "finance/entries/e5999.js": one.replace('"good"', '"e5999"', 1),
        },
        root / "many",
    )
    session = show((page[0], f"{page[1]}/many"), f"{BOARD}#/entry/e0")
    eventually(session, HEADING, "e0")
    told = session.find_element("css selector", ".compare-picker output")
    assert told.text == "5,999 of 5,999 entries, the first 50 are offered"
    assert len(session.find_elements("css selector", "#compare-names option")) == 50
    session.find_element("id", "compare-with").send_keys("e5999")
    assert told.text == "1 of 5,999 entries"
    session.find_element("id", "compare-with").send_keys(Keys.ENTER)
    eventually(session, HEADING, "e0 and e5999")


def test_the_plot_follows_the_filter_and_is_one_tab_stop(page: Page) -> None:
    session = show(page)
    points = "return document.querySelectorAll('#plot .point').length"
    stops = "return document.querySelectorAll('#plot .point[tabindex=\"0\"]').length"
    eventually(session, points, 4)
    assert session.execute_script(stops) == 1
    session.execute_script("document.querySelector('#plot .point[tabindex=\"0\"]').focus()")
    first = session.execute_script("return document.activeElement.getAttribute('aria-label')")
    press(session, Keys.ARROW_RIGHT)
    second = session.execute_script("return document.activeElement.getAttribute('aria-label')")
    assert first != second
    assert not [label for label in (first, second) if " 0 MiB" in label], "of a small adapter"
    assert session.execute_script(stops) == 1
    session.find_element("css selector", "#query").send_keys("good")
    eventually(session, points, 1)
    drawn = session.find_element("css selector", "#plot .plot").get_attribute("aria-label")
    assert "of 1 run against" in str(drawn)
    assert errors(session) == []


def test_the_two_plots_have_letters_of_one_size_below_each_other(page: Page) -> None:
    session = show(page, width=800)
    eventually(session, "return document.querySelectorAll('#history .point').length > 0", True)
    height = "return document.querySelector(`${arguments[0]} text`).getBoundingClientRect().height"
    first, second = (session.execute_script(height, place) for place in ("#plot", "#history"))
    assert second == pytest.approx(first, rel=0.5)


def test_head_and_first_column_stay_while_the_table_scrolls(page: Page) -> None:
    session = show(page, f"{BOARD}#/?cols={','.join(ALL_COLUMNS)}", height=500)
    where = """
      const box = document.querySelector('#overview .scroll');
      const at = (css) => document.querySelector('#board-table ' + css).getBoundingClientRect();
      box.scrollTo(0, 0);
      const before = [at('thead th').top - box.getBoundingClientRect().top, at('tbody th').left];
      box.scrollTo(200, 150);
      const after = [at('thead th').top - box.getBoundingClientRect().top, at('tbody th').left];
      return [box.scrollLeft, box.scrollTop, before, after];
    """
    left, top, before, after = session.execute_script(where)
    assert left > 100
    assert top > 100
    assert after == pytest.approx(before, abs=1)


ALL_COLUMNS = [
    "group", "average", "s0", "s1", "s2", "clean", "second", "bytes", "parameters", "rounds",
    "level", "size", "family", "peft", "strategy", "hours", "author", "licence", "date",
]  # fmt: skip


def test_columns_are_chosen(page: Page) -> None:
    session = show(page)
    click(session, ".chooser summary")
    click(session, "#columns input[value=author]")
    heads = "return [...document.querySelectorAll('#board-table thead th')]"
    assert "author" in session.execute_script(f"{heads}.map((item) => item.dataset.key)")
    assert "author" in session.execute_script("return location.hash")
    press(session, Keys.ESCAPE)
    assert session.execute_script("return document.querySelector('.chooser').open") is False
    assert session.execute_script("return document.activeElement.textContent") == "Columns"


@pytest.mark.parametrize(
    "place", ["index.html", BOARD, f"{BOARD}#/entry/evil", f"{BOARD}#/entry/{LONG}",
              f"{BOARD}#/compare/good/{LONG}"]
)  # fmt: skip
def test_nothing_is_cut_off_on_a_phone(page: Page, place: str) -> None:
    session = show(page, place, width=320, height=740)
    # A window on a phone grows with what is too wide for it.
    width = "return Math.max(document.documentElement.scrollWidth, window.innerWidth)"
    assert session.execute_script(width) == 320
    if place == BOARD:
        group = """
          const box = document.querySelector('#board-table td.group').getBoundingClientRect();
          window.scrollTo(0, box.top - 100);
          const [x, y] = [box.left + box.width / 2, 100 + box.height / 2];
          return document.elementFromPoint(x, y).className;
        """
        assert session.execute_script(group) == "badge-group"
        click(session, ".chooser summary")
        assert session.execute_script(width) == 320
        columns = "return document.querySelector('#columns').getBoundingClientRect()"
        box = session.execute_script(columns)
        assert 0 <= box["left"] < box["right"] <= 320
    assert errors(session) == []


def test_nothing_comes_from_elsewhere_and_nothing_foreign_takes_effect(page: Page) -> None:
    session = show(page, f"{BOARD}#/entry/good")
    eventually(session, HEADING, "good")
    loaded = "return performance.getEntriesByType('resource').map((item) => item.name)"
    assert all(name.startswith(f"{page[1]}/finance/") for name in session.execute_script(loaded))
    blocked = """
      const style = document.createElement("style");
      style.textContent = "body { color: rgb(1, 2, 3) }";
      document.head.append(style);
      return getComputedStyle(document.body).color;
    """
    assert session.execute_script(blocked) != "rgb(1, 2, 3)"
    errors(session)  # The refusal that this test provoked.


def test_a_number_is_the_same_in_the_page_s_script_and_in_the_other_tables(page: Page) -> None:
    """Python takes the even one of two that are equally near, and JavaScript the larger one."""
    draw = random.Random(0)
    halves = [n / 8 for n in range(800)]
    shares = [right / rows for rows in (32, 800, 970, 1_273, 2_388) for right in range(rows + 1)]
    counts = [1_125_000, *range(5_000, 20_000_000, 45_000), *draw.sample(range(10**7), 3_000),
              *(10**power for power in range(11)), *(2**power for power in range(36))]  # fmt: skip
    values: dict[Form, list[int] | list[float]] = {
        "percent": shares, "millions": counts, "gib": counts, "hours": halves, "count": counts,
    }  # fmt: skip
    ours = {
        form: [shown_value(Column(key="k", label="l", form=form), value) for value in numbers]
        for form, numbers in values.items()
    }
    assert ours["millions"][0] == "1.12"
    assert ours["gib"][counts.index(10)] == "0.0000000093"
    code = resources.files("harness.leaderboard.page").joinpath("templates/script/data.js")
    write = """
      const write = ([form, all]) => [form, all.map((value) => shown({ form }, value))];
      return Object.fromEntries(Object.entries(arguments[0]).map(write));
    """
    theirs = show(page).execute_script(code.read_text("utf-8") + write, values)
    for form in values:
        differing = [p for p in zip(ours[form], theirs[form], strict=True) if p[0] != p[1]]
        assert differing == [], form


@pytest.mark.parametrize(
    ("out", "reached"),
    [("pages", True), ("site/pages", True), ("copied/pages", True), ("../away", False)],
)
def test_a_link_to_a_file_of_an_entry_leads_to_it(page: Page, out: str, reached: bool) -> None:
    root = Path(page[1].removeprefix("file://")).parent
    shutil.copytree(root / "submissions", root / "copied/submissions", dirs_exist_ok=True)
    folder = (root / out).resolve()
    given = ["--submissions", str(root / "submissions"), "--out", str(folder)]
    result = CliRunner().invoke(cli, ["leaderboard", *given])
    assert ("link to no files" not in result.stderr) is reached
    without_script = (folder / BOARD).read_text()
    name = re.search(r'href="([^"]*/good/README.md)"', without_script)
    assert (name is not None and (folder / "finance" / name[1]).is_file()) is reached
    assert 'href="#/entry/' not in without_script
    session = show((page[0], folder.as_uri()), f"{BOARD}#/entry/good")
    eventually(session, HEADING, "good")
    links = session.find_elements("css selector", "#entry .files a")
    assert bool(links) is reached
    for link in links:
        assert Path(unquote(urlsplit(str(link.get_attribute("href"))).path)).is_file()
    assert "result.json" in session.find_element("css selector", "#entry .files").text
    if not reached:
        assert (
            "In the folder submissions/finance/good of the"
            in session.find_element("id", "entry").text
        )


def test_a_page_that_is_served_works_as_one_that_is_opened(page: Page) -> None:
    folder = page[1].removeprefix("file://")
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        session = show((page[0], f"http://127.0.0.1:{server.server_port}"), f"{BOARD}#/entry/poor")
        eventually(session, HEADING, "poor")
        assert errors(session) == []
        server.shutdown()


def test_a_checker_that_a_disk_may_not_load_says_what_to_type(page: Page) -> None:
    session = show(page, "verify.html")
    said = session.find_element("id", "said").text
    assert "python -m http.server" in said
    assert "harness verify FOLDER" in said
    assert not session.find_element("id", "folder").is_enabled()
    assert errors(session) == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Leave it out."""


def axe() -> str:
    """Return axe-core's script, or skip."""
    places = [os.environ.get("HARNESS_AXE"), ROOT / "node_modules/axe-core/axe.min.js"]
    for place in places:
        if place and Path(place).is_file():
            return Path(place).read_text()
    pytest.skip("no axe-core: npm install axe-core, or HARNESS_AXE names its axe.min.js")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "place",
    ["index.html", BOARD, f"{BOARD}#/entry/evil", f"{BOARD}#/compare/good/poor", "verify.html"],
)
def test_axe_finds_nothing(page: Page, place: str, scheme: str) -> None:
    script = axe()
    session = page[0]
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    session.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    show(page, place)
    if "#/" in place:
        eventually(session, f"{HEADING} !== undefined && !document.querySelector('#entry .hint')"
                   "?.textContent.startsWith('Loading')", True)  # fmt: skip
    session.execute_script(script)
    found = session.execute_async_script(
        "axe.run(document).then((result) => arguments[0](result.violations))"
    )
    session.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    told = [(item["id"], [node["html"][:120] for node in item["nodes"]][:3]) for item in found]
    assert told == [], json.dumps(told, indent=1)
    errors(session)  # axe's own style is refused by the page.
