"""Progress: it informs who watches and never ends a run."""

from __future__ import annotations

import sys

import pytest

from harness import progress
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


def test_the_time_left_is_true_from_a_tenth_of_the_work_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long rows first, as evaluation takes them: by their number the rest would take three times as
    long as it does."""
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    costs = [10.0] * 20 + [1.0] * 80
    meter = Meter("answers", 120, "rows", quiet=True, work=sum(costs) + 7.0)
    now = 60.0  # the model was loaded
    meter.skip(20, 7.0)
    meter.begin()
    for place, cost in enumerate(costs, 1):
        now += 0.5 * cost
        meter.advance(work=cost)
        left_s = 0.5 * sum(costs[place:])
        if sum(costs[:place]) >= sum(costs) / 10 and left_s >= 1:
            said = meter.line(now - meter._start).rpartition(", ")[2].removesuffix(" left)")
            minutes, seconds = said.split(":")
            assert int(minutes) * 60 + int(seconds) == pytest.approx(left_s, rel=0.2, abs=1)


def test_a_meter_says_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("training", 2, "steps")
    meter.advance(2, "round 1/1")
    assert "training: 2/2 steps" in capsys.readouterr().err
