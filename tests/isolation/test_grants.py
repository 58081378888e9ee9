"""What an editable install names can be imported where plugins are held back, and no more read."""

from __future__ import annotations

from pathlib import Path

from harness.isolation import grants


def test_a_module_and_what_is_compiled_of_it_can_be_read_and_nothing_beside_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "plugin.py").write_text("")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "plugin.cpython-311.pyc").write_text("")
    (tmp_path / "runs").mkdir()
    (tmp_path / "notes.txt").write_text("")
    found = dict(grants._packages(tmp_path))
    assert found.pop(str(tmp_path)) == grants.LIST
    assert found == {
        str(tmp_path / "plugin.py"): grants.READ,
        str(tmp_path / "__pycache__"): grants.READ,
    }
