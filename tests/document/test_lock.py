"""A lock is held by one process, refused or waited for by others, and ends with its holder."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.document.lock import locked
from harness.errors import UsageError

HOLD = (
    "import sys, time; from pathlib import Path; from harness.document.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_a_second_process_is_told_or_waits_until_the_first_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="in use"), locked(path, "in use"):
            pass
        killer = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.3; kill -9 {holder.pid}"])
        begin = time.monotonic()
        with locked(path):
            assert time.monotonic() - begin > 0.1
        assert killer.wait() == 0
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_what_goes_wrong_inside_is_not_taken_for_a_lock_in_use(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), locked(tmp_path / ".lock", "in use"):
        raise BlockingIOError


def test_a_folder_in_which_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    """A file in a folder's place, as a folder without rights refuses nothing to root."""
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(UsageError, match=r"run: nothing can be written there \("),
        locked(tmp_path / "run" / ".lock", "in use"),
    ):
        pass
