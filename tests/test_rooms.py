"""Rooms: none is crowded, and no two of them need each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent

MOST_FILES = 14
"""Python files of a folder, as many as are read at a glance."""

MOST_IN_THE_ROOT = 8
"""Modules beside the rooms of `harness/`, its `__init__` not counted."""


def imports() -> dict[str, set[str]]:
    """Return which modules each module imports, inside functions and for types too."""
    graph = grimp.build_graph("harness", cache_dir=None, exclude_type_checking_imports=False)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def room_of(module: str, folders: Set[str]) -> str | None:
    """Return the innermost room that a module is in; None for what a package re-exports.

    A module that lies beside inner rooms is a room of its own: `harness.federation.engine` uses the
    rooms of `harness.federation`, and they use `harness.federation.options`.
    """
    folder = module if module in folders else module.rpartition(".")[0]
    beside_rooms = any(other.startswith(f"{folder}.") for other in folders)
    if not beside_rooms:
        return folder
    return None if module in folders else module


def circle(graph: Mapping[str, Set[str]]) -> str:
    """Return a circle of arrows as text, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " <- ".join(error.args[1])
    return ""


def test_no_folder_is_crowded() -> None:
    files = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for top in ("harness", "tests", "bench", "plugins")
        for path in (ROOT / top).rglob("*.py")
    )
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}
    assert files["harness"] - 1 <= MOST_IN_THE_ROOT


def test_no_module_needs_itself() -> None:
    assert circle(imports()) == ""


def test_no_two_rooms_need_each_other() -> None:
    folders = {".".join(path.parent.relative_to(ROOT).parts)
               for path in (ROOT / "harness").rglob("__init__.py")}  # fmt: skip
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, wanted in imports().items():
        room = room_of(module, folders)
        if room is not None:
            rooms[room] |= {other for item in wanted if (other := room_of(item, folders))} - {room}
    assert circle(rooms) == ""


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports a test file by its name alone; the second of two would stop the whole run."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_room_stands_in_the_design() -> None:
    design = (ROOT / "docs" / "design.md").read_text("utf-8")
    boards = {path.parent for path in (ROOT / "harness" / "boards").glob("*/board.toml")}
    rooms = {path.parent for path in (ROOT / "harness").rglob("__init__.py")} - boards
    names = {room.name for room in rooms - {ROOT / "harness"}}
    assert (
        sorted(name for name in names if f"{name}/`" not in design and f"`{name}`" not in design)
        == []
    )
