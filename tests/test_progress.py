"""Progress: it informs who watches and never ends a run."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

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
    assert "left" not in meter.line(1.0), "nothing is done yet"
    for place, cost in enumerate(costs, 1):
        now += 0.5 * cost
        meter.advance(work=cost)
        left_s = 0.5 * sum(costs[place:])
        if sum(costs[:place]) >= sum(costs) / 10 and left_s >= 1:
            said = meter.line(now - meter._start).rpartition(", ")[2].removesuffix(" left)")
            minutes, seconds = said.split(":")
            assert int(minutes) * 60 + int(seconds) == pytest.approx(left_s, rel=0.2, abs=1)


def test_the_time_left_is_told_from_the_first_step_on_or_from_a_share_of_the_work() -> None:
    for pace_from, first in ((0.0, 1), (0.01, 2), (0.1, 11)):
        meter = Meter("training", 100, "steps", quiet=True, pace_from=pace_from)
        told = []
        for _ in range(20):
            meter.advance()
            told.append("left" in meter.line(1.0))
        assert told.index(True) + 1 == first
        assert all(told[first - 1 :])


def test_a_meter_says_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("training", 2, "steps")
    meter.advance(2, "round 1/1")
    assert "training: 2/2 steps" in capsys.readouterr().err


LIVE = """
from harness.progress import Meter
meter = Meter("a stage of a name that is long enough", 3, "rows")
for _ in range(3):
    meter.advance(note="and a note that no narrow terminal has room for")
"""


@pytest.mark.parametrize("columns", [40, 3, 1])
@pytest.mark.parametrize("piped", [False, True], ids=["both on it", "stdout piped"])
def test_a_live_line_fits_the_terminal_that_it_is_on(columns: int, piped: bool) -> None:
    """Also where stdout goes to a file, and says nothing of the width."""
    ours, theirs = pty.openpty()
    termios_size(theirs, columns)
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", LIVE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        text = read_all(ours)
        assert process.wait() == 0
    shown = [part for part in text.replace("\r\n", "").split("\r\x1b[2K") if part]
    assert shown or columns == 1
    assert all(len(part) < columns for part in shown)


def termios_size(terminal: int, columns: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def read_all(terminal: int) -> str:
    found = b""
    try:
        while part := os.read(terminal, 65536):
            found += part
    except OSError:  # Linux says so of a terminal that nobody holds open any more
        pass
    os.close(terminal)
    return found.decode()


def test_without_a_stderr_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "$CODE" 2>&- >{tmp_path / "out"}'
    done = subprocess.run(["sh", "-c", command], env={**os.environ, "CODE": LIVE}, check=False)
    assert done.returncode == 0
    assert (tmp_path / "out").read_text() == ""
