"""A bench that nobody has run for a while still finds what it imports from the harness."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHES = sorted((ROOT / "bench").rglob("*.py"))


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of what is taken from modules of the harness, wherever it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "harness":
            yield from ((str(node.module), item.name) for item in node.names)


def defined(path: Path) -> set[str]:
    """Return the names that a module has at its top."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(item.asname or item.name).split(".")[0] for item in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def missing(text: str) -> list[str]:
    """Return what a program takes from the harness that is not there."""
    lacking = []
    for module, name in imported(ast.parse(text)):
        place = ROOT.joinpath(*module.split("."))
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        inside = (place / name).is_dir() or (place / f"{name}.py").is_file()
        if not (inside or (file.is_file() and name in defined(file))):
            lacking.append(f"{module}.{name}")
    return lacking


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_bench_takes_from_the_harness_is_there(path: Path) -> None:
    assert missing(path.read_text()) == []


def test_what_is_not_there_is_named() -> None:
    text = (
        "def late():\n    from harness.spec import RunSpec, Nothing\nfrom harness import nowhere\n"
    )
    assert missing(text) == ["harness.nowhere", "harness.spec.Nothing"]
