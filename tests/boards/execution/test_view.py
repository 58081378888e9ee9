"""A program sees the installation of its interpreter or compiler, and nothing of a person's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.execution.view import view_of


def tool(path: Path) -> Path:
    """Make an empty file, as an executable is one."""
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def test_an_installation_comes_whole_and_links_to_it_are_kept(tmp_path: Path) -> None:
    real = tool(tmp_path / "node-20" / "bin" / "node")
    (tmp_path / "shims").mkdir()
    shim = tmp_path / "shims" / "node"
    shim.symlink_to("../node-20/bin/node")
    view = view_of([shim])
    assert str(real.parent.parent) in view.readable
    assert (str(shim), "../node-20/bin/node") in view.links
    assert str(tmp_path / "shims") not in view.readable


@pytest.mark.parametrize("below", ["bin", ".local/bin"])
def test_a_tool_in_a_home_shows_nothing_else_of_it(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    node = tool(tmp_path / below / "node")
    shown = [path for path in view_of([node]).readable if path.startswith(str(tmp_path))]
    assert shown == [str(node)]


def test_a_folder_inside_a_shown_one_is_not_shown_twice() -> None:
    view = view_of([Path("/usr/bin"), Path("/usr/lib")])
    assert [path for path in view.readable if path.startswith("/usr")] == ["/usr"]


def test_a_loop_of_links_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    shown = view_of([tmp_path / "a"]).readable
    assert not [path for path in shown if path.startswith(str(tmp_path.parent))]
