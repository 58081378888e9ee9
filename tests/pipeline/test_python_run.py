"""`harness.run` in Python runs what the command runs, and is quiet where it is asked to be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import harness

pytestmark = pytest.mark.slow

QUIETLY = """
import json, harness
kinds = []
run = harness.run("smollm2-dora", smoke=True, limit=2, out="run", quiet=True,
                  progress=lambda event: kinds.append(event.kind))
print(json.dumps({"kinds": kinds, "run": repr(run), "scores": run.scores}))
"""


def test_a_quiet_run_prints_nothing_and_tells_who_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIETLY], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["kinds"].count("round") == 2
    assert told["kinds"][-1] == "finished"
    run = harness.load(tmp_path / "run")
    assert told["scores"] == run.scores
    assert [score.examples for score in run.record.scores] == [2] * len(run.record.scores)  # type: ignore[union-attr]
