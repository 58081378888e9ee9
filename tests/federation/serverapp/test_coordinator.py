"""The coordinator says each step of starting: nobody waits for minutes before a blank line."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from harness.federation.options import Options
from harness.federation.serverapp.coordinator import Coordinator


@pytest.mark.parametrize("quiet", [False, True])
def test_a_step_of_starting_is_told_and_has_no_second_clock(
    quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    server: Any = SimpleNamespace(begin=time.monotonic() - 65, options=Options(quiet=quiet))
    Coordinator._tell(server, "50 supernodes answered")
    told = "" if quiet else "federate: 50 supernodes answered\n"
    assert capsys.readouterr().err == told
