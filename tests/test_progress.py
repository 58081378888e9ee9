"""Progress: it informs who watches and never ends a run."""

from __future__ import annotations

import sys

import pytest

from harness.progress import Meter, stage


class GoneTerminal:
    """A stderr whose terminal was closed."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_closed_terminal_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", GoneTerminal())
    meter = Meter("training", 3, "steps")
    with stage("evaluation"):
        for _ in range(3):
            meter.advance()
    assert meter.done == 3


def test_a_meter_says_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("training", 2, "steps")
    meter.advance(2, "round 1/1")
    assert "training: 2/2 steps" in capsys.readouterr().err
