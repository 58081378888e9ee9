"""Which light tests run which lines of the harness, and how long each takes.

    python bench/mutation/reached.py FILE [TEST ...]

writes one JSON object, or, of the tests that are named, adds to the one that is there: `tests`
(node id and seconds) and `lines` (file -> line -> places in `tests`; lines that run at import only
have none).
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


def forget(before: dict, named: list[str]) -> None:
    """Leave out what is known of tests that run anew: some may not be there any more."""
    old = {
        index
        for index, (name, _) in enumerate(before["tests"])
        if name and name.startswith(tuple(named))
    }
    for of_file in before["lines"].values():
        for line, found in of_file.items():
            of_file[line] = [index for index in found if index not in old]
    for index in old:
        before["tests"][index] = (None, 0.0)


def main() -> None:
    """Run tests once and write what they reach."""
    file, named = Path(sys.argv[1]), sys.argv[2:]
    recorder = coverage.Coverage(
        data_file=None, source=["harness"], config_file=False, messages=False
    )
    recorder.start()
    contexts = Contexts(recorder)
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    paths = named or [path for path in LIGHT if Path(path).exists()]
    options = ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    code = pytest.main([*options, *left_out, *paths], [contexts])
    recorder.stop()
    if code not in (0, 1):
        sys.exit(f"the tests do not run without any change ({code}); mend them first")
    for name in sorted(contexts.failed):
        print(f"left out, for it fails without any change: {name}")
    before = json.loads(file.read_text()) if named else {"tests": [], "lines": {}}
    forget(before, named)
    place = {name: index for index, (name, _) in enumerate(before["tests"])}
    for name, seconds in contexts.seconds.items():
        if name not in contexts.failed and name not in place:
            place[name] = len(before["tests"])
            before["tests"].append((name, seconds))
    data = recorder.get_data()
    for path in data.measured_files():
        of_file = before["lines"].setdefault(str(Path(path).relative_to(Path.cwd())), {})
        for line, found in data.contexts_by_lineno(path).items():
            reached = {place[name] for name in found if name in place}
            of_file[str(line)] = sorted(reached | set(of_file.get(str(line), [])))
    file.write_text(json.dumps(before))


if __name__ == "__main__":
    main()
