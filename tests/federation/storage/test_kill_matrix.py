"""SIGKILL at any instant, then resume: the same bytes. `bench/kill/kill_matrix.py` is larger."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["momentum", "fedsa"])
def test_killed_and_resumed_runs_end_with_the_same_bytes(recipe: str) -> None:
    command = [sys.executable, str(ROOT / "bench" / "kill" / "kill_matrix.py"), "--recipe", recipe]
    done = subprocess.run(
        [*command, "--instants", "4", "--stride", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kills = int(re.match(r"(\d+) SIGKILLs", done.stdout).group(1))
    assert kills >= 10
