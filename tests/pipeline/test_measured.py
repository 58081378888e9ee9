"""A session that is killed loses next to nothing of what was measured, and its record adds up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import run_directory
from harness.document import canonical_json, read_document
from harness.errors import FederationError, RecordError
from harness.pipeline.measured import measured
from harness.record.result import EVALUATE, FEDERATE, ResultRecord

COMMITTED = Path(__file__).parents[2] / "submissions/finance/smollm2-135m-dora-r2/result.json"

KILLED = """
import os, signal, sys, time
from pathlib import Path
from harness.pipeline import measured
measured.KEEP_S = 0.1
with measured.measured(Path(sys.argv[1]), "evaluate", "cpu"):
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_session_took_stays(tmp_path: Path) -> None:
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    kept = run_directory.read_timing(tmp_path)[EVALUATE]
    assert 0.5 < kept < time.monotonic() - begin
    with measured(tmp_path, EVALUATE, "cpu"):
        time.sleep(0.2)
    assert run_directory.read_timing(tmp_path)[EVALUATE] >= kept + 0.2


def test_a_federation_took_no_less_than_the_rounds_that_are_there(tmp_path: Path) -> None:
    rounds = read_document(ResultRecord, COMMITTED).federation.rounds[:3]
    lines = [canonical_json(item.model_dump(mode="json")) + "\n" for item in rounds]
    (tmp_path / "rounds.jsonl").write_text("".join(lines))
    with measured(tmp_path, FEDERATE, "cpu"):
        pass
    sum_s = sum(item.duration_s for item in rounds)
    first = run_directory.read_timing(tmp_path)[FEDERATE]
    assert sum_s <= first + 0.001
    assert first < sum_s + 5
    with measured(tmp_path, FEDERATE, "cpu"):  # which had kept its time, and is not counted twice
        pass
    assert run_directory.read_timing(tmp_path)[FEDERATE] < first + 5


def test_a_stage_that_fails_keeps_its_time_too(tmp_path: Path) -> None:
    try:
        with measured(tmp_path, FEDERATE, "cpu"):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert list(run_directory.read_timing(tmp_path)) == [FEDERATE]


def test_a_full_disk_is_said_by_the_stage_that_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last that is measured meets the full disk too, and would be told in the stage's place."""

    def refuse(path: Path, text: object) -> None:
        raise RecordError(f"{path}: the disk is full")

    monkeypatch.setattr(run_directory, "write_atomic", refuse)
    monkeypatch.setattr(run_directory, "write_document", refuse)
    with (
        pytest.raises(FederationError, match="round 2 could not be kept"),
        measured(tmp_path, FEDERATE, "cpu"),
    ):
        raise FederationError("round 2 could not be kept: the disk is full")
    with (
        pytest.raises(RecordError, match=r"energy\.json: the disk is full"),
        measured(tmp_path, FEDERATE, "cpu"),
    ):
        pass  # nothing else tells it


def test_a_run_directory_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with measured(run, EVALUATE, "cpu"):
        run.rmdir()
    assert not run.exists()
