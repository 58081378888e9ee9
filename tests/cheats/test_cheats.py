"""Each cheat is tried against the rung that is said to catch it, and the page says so."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from trust_table import PAGE, page  # needs the path above

from cheat import CHEATS, Cheat  # isort: skip

SLOW = {"invented rounds"}
"""Tried where HARNESS_CHEATS is set: tests/reproduce and tests/processes hold the same in CI."""


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda item: item.name.replace(" ", "-"))
def test_what_is_said_to_catch_a_cheat_catches_it(cheat: Cheat, tmp_path: Path) -> None:
    if find_spec("torch") is None:
        pytest.skip("needs the extra [run]")
    if cheat.name in SLOW and not os.environ.get("HARNESS_CHEATS"):
        pytest.skip("set HARNESS_CHEATS=1 to try it")
    found = cheat.tried(tmp_path)
    if cheat.caught_by == "nothing":
        assert found == "", "it is caught now: say by what"
    else:
        assert cheat.says in found


def test_the_page_holds_the_table_as_it_is() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(text), "run python tests/cheats/trust_table.py"


def test_there_are_cheats_of_each_rung() -> None:
    assert len({item.name for item in CHEATS}) == len(CHEATS) >= 20
    assert {item.caught_by for item in CHEATS} == {
        "plan", "run", "verify", "re-evaluation", "repetition", "nothing",
    }  # fmt: skip
