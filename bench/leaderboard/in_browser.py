"""Whether the page `verify.html` says of every case what the command says, offline.

`python bench/leaderboard/in_browser.py GIVEN` takes the folder of `harness leaderboard --verifier`,
builds the pages with it and serves them to a headless Chromium. Each case of the negative corpus
(`tests/verify`) and the clean submission are zipped and chosen on the page, and a committed entry
is dropped on it; its lines are compared with those of this Python. One JSON object: cases, those
that differ, seconds until the first verdict and the median of the others, and what the page asked
for elsewhere.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import chdir
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "verify"))

from clean_submission import Submission
from page import browser
from selenium import webdriver
from test_findings import CASES
from test_rules import FOLDER

from harness.submissions.check import verify

LONGEST_S = 120
CLEAN = "clean"
ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "submissions/finance/smollm2-135m-dora-r2"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def steady(lines: list[str]) -> list[str]:
    """Return lines whose long decimals are cut: the last digits are a machine's own."""
    return [re.sub(r"(\d\.\d{10})\d+", r"\1...", line) for line in lines]


def make(name: str, room: Path) -> Path:
    """Write the submission of a case below `room` and return a zip file of it, links as links."""
    submission = Submission()
    if name != CLEAN:
        CASES[name](submission)
    submission.write(room / FOLDER)
    packed = room / "dropped.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((room / FOLDER).rglob("*")):
            item = zipfile.ZipInfo(path.relative_to(room).as_posix())
            if path.is_symlink():
                item.external_attr = 0o120777 << 16
                archive.writestr(item, os.readlink(path))
            elif path.is_file():
                archive.writestr(item, path.read_bytes())
    return packed


def drop(session: webdriver.Chrome, folder: Path) -> None:
    """Drop a folder on the page as a hand would."""
    place = session.find_element("id", "drop").rect
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + 10}
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "data": data, **at})


def choose(session: webdriver.Chrome, packed: Path) -> None:
    """Choose a file on the page."""
    session.find_element("id", "file").send_keys(str(packed))


def said_by_page(session: webdriver.Chrome) -> list[str]:
    """Return the lines that the page shows, as soon as it has checked what it was given."""
    begun = time.monotonic()
    ask = "const said = document.getElementById('said').textContent;"
    ask += "return [said, document.getElementById('lines').textContent]"
    while time.monotonic() - begun < LONGEST_S:
        said, lines = session.execute_script(ask)
        if said.startswith(("Other files", "The checker could not")):
            session.execute_script("document.getElementById('said').textContent = ''")
            return lines.split("\n") if said.startswith("Other") else [said]
        time.sleep(0.02)
    return ["nothing was said in time"]


def compare(session: webdriver.Chrome) -> dict[str, Any]:
    """Return how often page and command say the same, and where they do not."""
    differ, taken = {}, []
    for name in (CLEAN, *CASES):
        with tempfile.TemporaryDirectory(prefix="bench-case-") as room:
            packed = make(name, Path(room))
            with chdir(room):
                expected = verify([Path("submissions")]).lines()
            begun = time.monotonic()
            choose(session, packed)
            found = said_by_page(session)
            taken.append(time.monotonic() - begun)
        if steady(found) != steady(expected):
            differ[name] = {"page": found, "command": expected}
    drop(session, ENTRY)
    with chdir(ROOT):
        expected = verify([ENTRY.relative_to(ROOT)]).lines()
    if (found := said_by_page(session)) != expected:
        differ["dropped"] = {"page": found, "command": expected}
    return {
        "cases": len(taken) + 1,
        "same": len(taken) + 1 - len(differ),
        "first_s": round(taken[0], 2),
        "median_s": round(statistics.median(taken[1:]), 2),
        "differ": differ,
    }


def main() -> None:
    """Build, serve, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("given", type=Path)
    given = parser.parse_args().given
    if shutil.which("chromium") is None or not list(given.glob("pyodide*")):
        sys.exit(f"no chromium, or no Pyodide in {given}: docs/submitting.md says what it holds")
    with tempfile.TemporaryDirectory(prefix="bench-verifier-") as name:
        room = Path(name)
        (room / "submissions").mkdir()
        subprocess.run(
            [sys.executable, "-m", "harness", "leaderboard", "--verifier", str(given.resolve()),
             "--submissions", str(room / "submissions"), "--out", str(room / "site")],
            check=True, stdout=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        serve = functools.partial(Handler, directory=str(room / "site"))
        with (
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server,
            browser(room / "profile") as session,
        ):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}"
            session.get(f"{address}/verify.html")
            found = compare(session)
            asked = session.execute_script(
                "return performance.getEntriesByType('resource').map((item) => item.name)"
            )
            server.shutdown()
        found["asked_elsewhere"] = [url for url in asked if not url.startswith(address)]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
