"""The page in a real browser: sort, filter, open an entry, keyboard, phone width, no errors."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest
from clean_submission import Submission
from webdriver import ESCAPE, Browser, browser

from harness.leaderboard.build import build, write

pytestmark = pytest.mark.browser

EVIL = '<img src=x onerror="window.owned=1">"><script>window.owned=1</script>'

NAMES = "return [...document.querySelectorAll('#board tbody tr:not([hidden]) .name')]"
NAMES += ".map((item) => item.textContent.trim())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    """Yield a browser and the address of a page with three runs, one of them hostile."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver (Debian: chromium, chromium-driver)")
    root = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(root / "cache"))
        for name, skill, device in (("good", 0.9, "A"), ("poor", 0.4, "B"), ("evil", 0.6, EVIL)):
            submission = Submission(seed=len(name) + ord(name[0]), skill=skill)
            submission.record["environment"]["device"]["name"] = device
            submission.write(root / "submissions" / "finance" / name)
        files, refused = build(root / "submissions")
    assert refused == []
    write(files, root / "leaderboard")
    with browser(chromium, driver, root / "profile") as session:
        yield session, (root / "leaderboard/finance/index.html").as_uri()


def eventually(session: Browser, script: str, expected: object) -> None:
    """Wait for what follows a change of address, which browsers announce when they get to it."""
    deadline = time.monotonic() + 10
    while (found := session.run(script)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


def test_sort_filter_open_and_return(page: tuple[Browser, str]) -> None:
    session, url = page
    session.resize(1360, 900)
    session.open(url)
    everything = session.run(NAMES)
    assert everything[0] == "good"
    assert len(everything) == 6  # three runs, three references

    session.click("th[data-key=name] button")
    assert session.run(NAMES)[0] == "Best constant answer"
    session.click("th[data-key=s2] button")
    assert session.run(NAMES)[0] == "good"
    session.click("th[data-key=s2] button")
    assert session.run("return document.querySelector('th[data-key=s2]').ariaSort") == "ascending"

    session.press("/")
    session.type("#filter", "evil")
    assert session.run(NAMES) == ["evil"]
    assert session.run("return document.getElementById('count').textContent") == "1 of 6 rows"

    session.click("#board tbody tr:not([hidden]) a.name")
    eventually(session, "return document.querySelector('#entry h2')?.textContent", "evil")
    eventually(session, "return document.activeElement.tagName", "H2")
    assert session.run("return document.querySelectorAll('#entry .curve').length") == 1
    shown = session.run("return document.getElementById('entry').textContent")
    assert EVIL in shown
    assert "Raw output" in shown

    session.press(ESCAPE)
    eventually(session, "return document.getElementById('entry').hidden", True)
    eventually(session, "return document.activeElement.textContent.trim()", "evil")
    assert session.run("return window.owned === undefined") is True
    assert session.console() == []


def test_an_entry_has_its_own_address(page: tuple[Browser, str]) -> None:
    session, url = page
    session.open("about:blank")
    session.open(url + "#/entry/poor")
    eventually(session, "return document.title.startsWith('poor · ')", True)
    session.open("about:blank")
    session.open(url + "#/entry/%E0%A4%A")
    assert session.run("return document.getElementById('overview').hidden") is False
    assert session.console() == []


def test_nothing_is_cut_off_at_phone_width(page: tuple[Browser, str]) -> None:
    session, url = page
    session.resize(500, 900)
    for place in ("#/", "#/entry/evil"):
        session.open("about:blank")
        session.open(url + place)
        width = session.run("return document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0
    assert session.console() == []


def test_the_page_loads_nothing(page: tuple[Browser, str]) -> None:
    session, url = page
    session.open("about:blank")
    session.open(url)
    assert session.run("return performance.getEntriesByType('resource').length") == 0
    blocked = """
      const style = document.createElement("style");
      style.textContent = "body { color: rgb(1, 2, 3) }";
      document.head.append(style);
      return getComputedStyle(document.body).color;
    """
    assert session.run(blocked) != "rgb(1, 2, 3)"
    session.console()  # The refusal that this test provoked.
