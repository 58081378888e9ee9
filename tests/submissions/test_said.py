"""The tables of docs/trust.md say what is said now, and every test that they name is there."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench" / "hostile"
if str(BENCH) not in sys.path:
    sys.path.insert(0, str(BENCH))

hostile_said = importlib.import_module("hostile_said")
PAGE = (ROOT / "docs" / "trust.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("tried", hostile_said.SUBMISSIONS, ids=lambda item: str(item.what))
def test_what_is_said_of_a_submission_is_what_the_page_says(tried: object) -> None:
    """After a change of words: `python bench/hostile/hostile.py said`."""
    [line] = hostile_said.lines_of((tried,))
    assert line in PAGE
    assert "`nothing`" not in line


def test_every_test_that_holds_a_line_is_there() -> None:
    tried = [*hostile_said.SUBMISSIONS, *hostile_said.pull_requests().values()]
    names = {item.test for item in tried}
    names.add("tests/submissions/test_cost.py::test_the_dearest_files_are_cheap")
    for name in names:
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert function in {item.name for item in tree.body if isinstance(item, ast.FunctionDef)}
        assert f"| {function} |" in PAGE
    assert all(f"| {item.what} |" in PAGE for item in tried)
