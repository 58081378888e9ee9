"""What a full board costs: to check it, to build it with and without kept verdicts, and to use it.

`python bench/leaderboard/page.py TREE` takes a folder that `entries.py` wrote, of more than 50
entries, and prints one JSON object: processor milliseconds of a check, processor seconds of both
builds, sizes, and in headless Chromium the first paint and the time of a filter, a sort and a page
turn, each the median of five, from the event to the next painted frame and to the whole page.
`beyond` names the figures that a board of 3,000 entries should stay below and does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from harness.submissions.check import check
from harness.verify.targets import find_targets

TURNS = 5
CHECKED = 200
"""Entries that are checked one by one, behind a few that fill what all of them share."""

MOST = {
    ("with_verification", "processor_s"): 30,
    ("verdicts_kept", "processor_s"): 3,
    ("index_bytes",): 2_000_000,
    ("browser", "first_paint_ms"): 1_500,
    **{
        ("browser", f"{name}{part}_ms"): 200
        for name in ("search", "facet", "clear", "sort")
        for part in ("", "_whole")
    },
}
"""Figure -> what 3,000 entries may cost."""

DO = """
const done = arguments[arguments.length - 1];
const [css, kind, value] = arguments;
const item = document.querySelector(css);
const begin = performance.now();
if (kind === "click") item.click();
else { item.value = value; item.dispatchEvent(new Event(kind, { bubbles: true })); }
const since = (then) => setTimeout(() => then(performance.now() - begin), 0);
const painted = (then) => requestAnimationFrame(() => since(then));
painted((first) => painted((whole) => done([first, whole])));
"""
"""Do something to an element and tell when the next frame was painted, which shows what is in the
window, and when the one after it was, which has the rows below, the counts of facets and the plot.
"""


def check_ms(tree: Path) -> float:
    """Return the processor time of a check of one entry, in milliseconds."""
    targets = list(find_targets(tree / "submissions"))[: CHECKED + 10]
    for target in targets[:10]:
        check(target)
    begun = time.process_time()
    for target in targets[10:]:
        check(target)
    return round(1000 * (time.process_time() - begun) / len(targets[10:]), 2)


def beyond(found: Mapping[str, Any]) -> list[str]:
    """Return the figures that are above what they may be."""
    over = []
    for way, most in MOST.items():
        value: Any = found
        for key in way:
            value = value[key]
        if value > most:
            over.append(f"{' '.join(way)}: {value}, at most {most}")
    return over


def build(tree: Path, out: Path, cache: Path) -> dict[str, float]:
    """Generate the board in a process of its own and return what it cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    command = ["-c", "from harness.cli import main; main()", "leaderboard"]
    subprocess.run(
        [sys.executable, *command, "--submissions", str(tree / "submissions"), "--out", str(out)],
        check=True, stdout=subprocess.DEVNULL, env=os.environ | {"HARNESS_CACHE": str(cache)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "processor_s": round(processor, 1),
        "wall_s": round(time.monotonic() - begun, 1),
        "peak_mib": round(after.ru_maxrss / 1024),
    }


def browser(profile: Path) -> webdriver.Chrome:
    """Return a headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def use(session: webdriver.Chrome, address: str) -> dict[str, Any]:
    """Return milliseconds until the page is painted and usable, and of what a reader does."""
    paints, ready = [], []
    for _ in range(TURNS):
        session.get("about:blank")
        session.get(address)
        while not session.execute_script("return document.querySelector('.pick') !== null"):
            time.sleep(0.01)
        paints.append(
            session.execute_script(
                "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
        )
        ready.append(session.execute_script("return performance.now()"))
    steps = {
        "search": ("#query", "input", ("one-team", "", "r16 oak", "", "beta")),
        "facet": ("[name=licence]", "change", ("MIT", "", "CC-BY-4.0", "", "MIT")),
        "clear": ("#reset", "click", ("",)),
        "sort": ("#board-table th[data-key=s1] button", "click", ("",) * TURNS),
        "page": ("[data-step='Next page']", "click", ("",) * TURNS),
    }
    session.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    taken: dict[str, Any] = {}
    for name, (css, kind, values) in steps.items():
        wall, whole, processor = [], [], []
        for value in values:
            before = thread_ms(session)
            first, last = session.execute_async_script(DO, css, kind, value)
            wall.append(first)
            whole.append(last)
            processor.append(thread_ms(session) - before)
        taken[f"{name}_ms"] = round(statistics.median(wall), 1)
        taken[f"{name}_whole_ms"] = round(statistics.median(whole), 1)
        taken[f"{name}_processor_ms"] = round(statistics.median(processor), 1)
    return {
        "first_paint_ms": round(statistics.median(paints)),
        "usable_ms": round(statistics.median(ready)),
        **taken,
    }


def thread_ms(session: webdriver.Chrome) -> float:
    """Return the processor time of the page's thread so far; a busy machine's wall tells less."""
    metrics = session.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return 1000 * next(float(m["value"]) for m in metrics if m["name"] == "TaskDuration")


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-board-") as name:
        room = Path(name)
        out = chosen.tree / "leaderboard"
        shutil.rmtree(out, ignore_errors=True)
        found: dict[str, Any] = {
            "entries": sum(1 for _ in (chosen.tree / "submissions").glob("*/*/result.json")),
            "check_ms": check_ms(chosen.tree),
            "with_verification": build(chosen.tree, out, room),
            "verdicts_kept": build(chosen.tree, out, room),
        }
        board = out / "finance"
        found["index_bytes"] = sum(
            (board / file).stat().st_size for file in ("index.html", "entries.js")
        )
        pages = [path.stat().st_size for path in (board / "entries").iterdir()]
        found["page_of_an_entry_bytes"] = round(statistics.median(pages)) if pages else 0
        with browser(room / "profile") as session:
            found["browser"] = use(session, (board / "index.html").resolve().as_uri())
    print(json.dumps(found | {"beyond": beyond(found)}, indent=1))


if __name__ == "__main__":
    main()
