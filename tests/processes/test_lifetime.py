"""Children end with the process that started them, killed or not, and nobody else's does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.processes.lifetime import Guardian

COMMAND = """
import subprocess, sys, time
from harness.processes.lifetime import Guardian
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
CHILD = f"import subprocess as s; p = s.Popen({SLEEP}, start_new_session=True);"
CHILD += "print(p.pid, flush=True); p.wait()"
with Guardian(sys.argv[1], all_children=sys.argv[2] == "all") as guardian:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    if sys.argv[2] != "all":
        guardian.guard(child.pid)
    grandchild = child.stdout.readline().strip()
    time.sleep(float(sys.argv[3]))
    print(guardian.process.pid, child.pid, grandchild, flush=True)
    time.sleep(600)
"""


def gone(processes: list[psutil.Process], patience_s: float = 10.0) -> bool:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kind", ["all", "told"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_child_and_grandchild_end_with_the_command(
    kind: str, number: signal.Signals, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder), kind, "1.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert command.stdout is not None
    family = [psutil.Process(int(pid)) for pid in command.stdout.readline().split()]
    assert len(family) == 3
    command.send_signal(number)
    assert command.wait(60) != 0
    assert gone(family)
    assert not folder.exists()
    command.stdout.close()


def test_a_child_that_was_named_ends_though_the_command_dies_at_once(tmp_path: Path) -> None:
    """Half a second passes between two looks; who is named needs none."""
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND,
         str(tmp_path / "x"), "told", "0"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stdout is not None
    family = [psutil.Process(int(pid)) for pid in command.stdout.readline().split()]
    command.kill()
    command.wait()
    assert gone(family)
    command.stdout.close()


def test_what_was_there_before_and_what_nobody_named_stays() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    before = subprocess.Popen(sleep)
    with Guardian():
        inside = subprocess.Popen(sleep)
        time.sleep(1.2)
    with Guardian(all_children=False) as guardian:
        unnamed, named = subprocess.Popen(sleep), subprocess.Popen(sleep)
        guardian.guard(named.pid)
    try:
        assert [one.poll() for one in (before, inside, unnamed, named)] == [None, -9, None, -9]
    finally:
        for one in (before, unnamed):
            one.kill()
            one.wait()
