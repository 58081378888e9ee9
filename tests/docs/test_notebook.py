"""The notebook in `docs/` runs from its first cell to its last, and says what it promises."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "python.ipynb"


def test_every_cell_of_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    text = printed.getvalue()
    assert "all rules kept" in text
    assert "76.04 %" in text
    assert "UsageError: --set ruonds: no such setting" in text
    assert names["broken"].violations


def test_the_notebook_is_kept_without_outputs() -> None:
    """Outputs of somebody's machine would go stale; whoever opens it makes their own."""
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])
