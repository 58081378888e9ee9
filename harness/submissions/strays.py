"""What lies under `submissions/` and is no entry: nothing checks it, so nothing may lie there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.boards.board import board_names
from harness.boards.open_division import OPEN
from harness.record.file_names import CLAIM, RESULT
from harness.verify.report import Finding
from harness.verify.rule import Rule
from harness.verify.targets import TREE, Target

STRAYS = Rule(
    "strays", f"{TREE}/ holds folders of entries and nothing else", "harness submission format",
    file="",
)  # fmt: skip

KEPT = (".gitkeep", "README.md")
"""Files that may lie in the tree itself and in a board's folder."""


def strays(path: Path, targets: Iterable[Target]) -> Iterator[Finding]:
    """Yield what is no entry in the tree that a path is, or holds.

    Args:
        path: as the user named it.
        targets: what was found under it.
    """
    tree = path if path.name == TREE else path / TREE
    if not tree.is_dir() or tree.is_symlink():
        return
    entries = {target.folder for target in targets}
    for board in _listed(tree):
        if not board.is_dir() or board.is_symlink():
            yield from _file(board)
        elif board.name.removesuffix(OPEN) not in board_names():
            yield STRAYS.finding(str(board), "a folder of no board", ", ".join(board_names()))
        else:
            for item in _listed(board):
                if item in entries:
                    continue
                if item.is_dir() and not item.is_symlink():
                    expected = f"{RESULT} or {CLAIM} in it, and no folder between"
                    yield STRAYS.finding(str(item), "a folder without a record", expected)
                else:
                    yield from _file(item)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder))
    except OSError:
        return []


def _file(path: Path) -> Iterator[Finding]:
    if path.name not in KEPT or path.is_symlink():
        yield STRAYS.finding(
            str(path), "a file that is no entry", f"{TREE}/<board>/<name>/{RESULT}"
        )
