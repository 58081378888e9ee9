"""The page in a real browser: sort, filter, open an entry, keyboard, phone width, no errors."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest
from clean_submission import Submission
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service

from harness.leaderboard.build import build, write

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
]  # fmt: skip

EVIL = '<img src=x onerror="window.owned=1">"><script>window.owned=1</script>'

Page = tuple[webdriver.Chrome, str]
"""A browser, and the address of what it is to show."""

NAMES = "return [...document.querySelectorAll('#board tbody tr:not([hidden]) .name')]"
NAMES += ".map((item) => item.textContent.trim())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
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
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={root / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as session:
        yield session, (root / "leaderboard/finance/index.html").as_uri()


def eventually(session: webdriver.Chrome, script: str, expected: object) -> None:
    """Wait for what follows a change of address, which browsers announce when they get to it."""
    deadline = time.monotonic() + 10
    while (found := session.execute_script(script)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == expected


def click(session: webdriver.Chrome, css: str) -> None:
    session.find_element("css selector", css).click()


def press(session: webdriver.Chrome, key: str) -> None:
    ActionChains(session).send_keys(key).perform()


def errors(session: webdriver.Chrome) -> list[str]:
    """Return the errors on the console since the last call."""
    entries = session.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "ERROR")]


def test_sort_filter_open_and_return(page: Page) -> None:
    session, url = page
    session.set_window_size(1360, 900)
    session.get(url)
    everything = session.execute_script(NAMES)
    assert everything[0] == "good"
    assert len(everything) == 6  # three runs, three references

    click(session, "th[data-key=name] button")
    assert session.execute_script(NAMES)[0] == "Best constant answer"
    click(session, "th[data-key=s2] button")
    assert session.execute_script(NAMES)[0] == "good"
    click(session, "th[data-key=s2] button")
    assert (
        session.execute_script("return document.querySelector('th[data-key=s2]').ariaSort")
        == "ascending"
    )

    press(session, "/")
    session.find_element("css selector", "#filter").send_keys("evil")
    assert session.execute_script(NAMES) == ["evil"]
    assert (
        session.execute_script("return document.getElementById('count').textContent")
        == "1 of 6 rows"
    )

    click(session, "#board tbody tr:not([hidden]) a.name")
    eventually(session, "return document.querySelector('#entry h2')?.textContent", "evil")
    eventually(session, "return document.activeElement.tagName", "H2")
    assert session.execute_script("return document.querySelectorAll('#entry .curve').length") == 1
    shown = session.execute_script("return document.getElementById('entry').textContent")
    assert EVIL in shown
    assert "Raw output" in shown

    press(session, Keys.ESCAPE)
    eventually(session, "return document.getElementById('entry').hidden", True)
    eventually(session, "return document.activeElement.textContent.trim()", "evil")
    assert session.execute_script("return window.owned === undefined") is True
    assert errors(session) == []


def test_an_entry_has_its_own_address(page: Page) -> None:
    session, url = page
    session.get("about:blank")
    session.get(url + "#/entry/poor")
    eventually(session, "return document.title.startsWith('poor · ')", True)
    session.get("about:blank")
    session.get(url + "#/entry/%E0%A4%A")
    assert session.execute_script("return document.getElementById('overview').hidden") is False
    assert errors(session) == []


def test_nothing_is_cut_off_at_phone_width(page: Page) -> None:
    session, url = page
    session.set_window_size(500, 900)
    for place in ("#/", "#/entry/evil"):
        session.get("about:blank")
        session.get(url + place)
        width = session.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        assert width <= 0
    assert errors(session) == []


def test_the_page_loads_nothing(page: Page) -> None:
    session, url = page
    session.get("about:blank")
    session.get(url)
    assert session.execute_script("return performance.getEntriesByType('resource').length") == 0
    blocked = """
      const style = document.createElement("style");
      style.textContent = "body { color: rgb(1, 2, 3) }";
      document.head.append(style);
      return getComputedStyle(document.body).color;
    """
    assert session.execute_script(blocked) != "rgb(1, 2, 3)"
    errors(session)  # The refusal that this test provoked.
