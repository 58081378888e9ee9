"""Which light tests run which lines of the harness, and how long each takes.

    python bench/mutation/reached.py FILE

writes one JSON object: `tests` (node id and seconds), `lines` (file -> line -> places in `tests`;
lines that run at import only have none).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

LIGHT = [
    f"tests/{name}"
    for name in (
        "boards", "claims", "document", "historic", "leaderboard", "planning", "plugins",
        "scoring", "submissions", "verify", "test_run_directory.py",
    )
]  # fmt: skip
LEFT_OUT = [
    "tests/boards/execution", "tests/submissions/test_hostile.py",
    "tests/leaderboard/test_page_in_browser.py",
]  # fmt: skip
"""A sandbox, thousands of damaged submissions, a browser: slow, and they hold no one line."""


class Contexts:
    """A pytest plugin: what runs in a test is recorded under its node id."""

    def __init__(self, recorder: coverage.Coverage) -> None:
        self.recorder = recorder
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[object]:
        """Let a test, with its fixtures, be a context of its own."""
        self.recorder.switch_context(item.nodeid)
        begin = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - begin
        self.recorder.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails without any change: it can judge nothing."""
        if report.failed:
            self.failed.add(report.nodeid)


def main() -> None:
    """Run the light tests once and write what they reach."""
    recorder = coverage.Coverage(
        data_file=None, source=["harness"], config_file=False, messages=False
    )
    recorder.start()
    contexts = Contexts(recorder)
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    present = [path for path in LIGHT if Path(path).exists()]
    code = pytest.main(
        ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *left_out, *present], [contexts]
    )
    recorder.stop()
    if code not in (0, 1):
        sys.exit(f"the tests do not run without any change ({code}); mend them first")
    for name in sorted(contexts.failed):
        print(f"left out, for it fails without any change: {name}")
    data = recorder.get_data()
    names = [name for name in contexts.seconds if name not in contexts.failed]
    place = {name: index for index, name in enumerate(names)}
    lines: dict[str, dict[int, list[int]]] = {}
    for path in data.measured_files():
        file = str(Path(path).relative_to(Path.cwd()))
        lines[file] = {}
        for line, found in data.contexts_by_lineno(path).items():
            lines[file][line] = sorted(place[name] for name in found if name in place)
    tests = [(name, contexts.seconds[name]) for name in names]
    Path(sys.argv[1]).write_text(json.dumps({"tests": tests, "lines": lines}))


if __name__ == "__main__":
    main()
