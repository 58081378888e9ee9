"""No file of a stranger costs a check more than a second and 200 MB."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "hostile"
if str(BENCH) not in sys.path:
    sys.path.insert(0, str(BENCH))

hostile_cost = importlib.import_module("hostile_cost")


@pytest.mark.parametrize("name", hostile_cost.CASES)
def test_the_dearest_files_are_cheap(name: str) -> None:
    found = hostile_cost.measured(hostile_cost.CASES[name])
    assert found["s"] < 3 * hostile_cost.MOST_S  # a busy machine's seconds are longer
    assert found["mb"] < hostile_cost.MOST_MB


@pytest.mark.parametrize("unit", ["\n", "| ", "- **FPB**: 1", "a.", "[[", "communication budget "])
@pytest.mark.parametrize("name", ["README.md", "pyproject.toml"])
def test_80_kb_of_a_project_s_text_are_read_in_a_second(unit: str, name: str) -> None:
    found = hostile_cost.measured(hostile_cost.imported(unit, name))
    assert found["s"] < 3 * hostile_cost.MOST_S
    assert found["mb"] < hostile_cost.MOST_MB
