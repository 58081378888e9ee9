"""Judge the mutant that lies in this tree: run the tests that reach its line, nearest first.

Cosmic Ray has changed one file. Which line it is follows from the tree as it was, in the folder
`MUTATION_CLEAN`, and which tests reach it from what `reached.py` wrote, `MUTATION_REACHED`.
Exit code 0: the mutant survives.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import json
import os
import sys
from pathlib import Path

import pytest

MOST_SECONDS = 600.0
"""Of the tests of one mutant together, as long as they took while it was noted what they reach."""


def main() -> int:
    """Return pytest's verdict on the mutant."""
    clean = Path(os.environ["MUTATION_CLEAN"])
    file, changed = changed_lines(clean)
    reached = json.loads(Path(os.environ["MUTATION_REACHED"]).read_text())
    chosen = choose(reached, clean, file, changed)
    print(f"{file}:{changed[0]} reached by {len(chosen)} tests")
    if not chosen:
        return 0
    arguments = ["-q", "-x", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    collected = Collected()
    code = pytest.main([*arguments, *chosen], [collected])
    if code == pytest.ExitCode.USAGE_ERROR and not collected.failed and imports(file):
        print("a test that is named is not there any more: note again what the tests reach")
        return 0
    # A change that keeps tests from being collected is seen as well: they all were, without it.
    return int(code)


def imports(file: str) -> bool:
    """Whether the changed module can be imported at all."""
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(f"{name} cannot be imported: {type(error).__name__}")
        return False
    return True


class Collected:
    """A pytest plugin: whether every file of tests could be imported."""

    failed = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not."""
        self.failed = self.failed or report.failed

    def pytest_internalerror(self) -> None:
        """Note what ends a session otherwise."""
        self.failed = True


def changed_lines(clean: Path) -> tuple[str, list[int]]:
    """Return the one file that differs from the clean tree, and which of its lines there do."""
    for path in sorted(clean.rglob("*.py")):
        name = str(path.relative_to(clean.parent))
        before, after = path.read_text().splitlines(), Path(name).read_text().splitlines()
        if before != after:
            matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
            lines = [
                line + 1
                for kind, first, last, _, _ in matcher.get_opcodes()
                if kind != "equal"
                for line in range(first, max(last, first + 1))
            ]
            return name, statement(path, lines)
    sys.exit("nothing is changed in this tree")


def statement(path: Path, lines: list[int]) -> list[int]:
    """Return all lines of the smallest statements that hold `lines`, without those below them."""
    found: set[int] = set()
    tree = ast.parse(path.read_text())
    for line in lines:
        best = range(line, line + 1)
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
                body = getattr(node, "body", None)
                last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
                if node.lineno <= line <= last:
                    best = range(node.lineno, last + 1)
        found |= set(best)
    return sorted(found)


def choose(reached: dict, clean: Path, file: str, lines: list[int]) -> list[str]:
    """Return node ids, nearest first.

    They are of the tests that run the lines; lines that run at import may matter to every test,
    those first that run anything in the file. A test is near when it runs what few others run,
    first in the function around the lines, then in the file: a test that makes a rule object runs
    the line that says so. Of equally near tests the quicker ones come first.
    """
    of_file = {int(line): found for line, found in reached["lines"].get(file, {}).items()}
    around = function(clean.parent / file, lines[0])
    if len(around) == 1:
        places = {index for index, (name, _) in enumerate(reached["tests"]) if name}
    else:
        places = {index for line in lines for index in of_file.get(line, [])}

    def nearness(index: int) -> tuple[float, float, float]:
        rare = {line: 1 / len(found) for line, found in of_file.items() if index in found}
        in_function = sum(part for line, part in rare.items() if line in around)
        return in_function, sum(rare.values()), -reached["tests"][index][1]

    chosen, total = [], 0.0
    for index in sorted(places, key=nearness, reverse=True):
        name, seconds = reached["tests"][index]
        total += seconds
        if chosen and total > MOST_SECONDS:
            break
        chosen.append(name)
    return chosen


def function(path: Path, line: int) -> range:
    """Return the lines of the smallest function that holds `line`; the line alone without one."""
    best = range(line, line + 1)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = range(node.lineno, (node.end_lineno or 0) + 1)
            if line in lines and (len(best) == 1 or len(lines) < len(best)):
                best = lines
    return best


if __name__ == "__main__":
    sys.exit(main())
