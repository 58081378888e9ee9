"""Trackers get every round's numbers and the scores; one that fails costs nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clean_submission import Submission

from harness.errors import MissingExtraError
from harness.pipeline import trackers
from harness.pipeline.events import Events, Observer
from harness.pipeline.tracker_process import Values
from harness.pipeline.trackers import TRACKERS, Tracker, result_values, round_values, tracker
from harness.record.federation import RoundRecord
from harness.record.result import ResultRecord

RECORD = ResultRecord.model_validate(Submission().record)
ROUNDS = RECORD.federation.rounds


def tell(events: Events, run_dir: Path) -> None:
    events.run_dir = run_dir
    events.step("begun")
    for number, item in enumerate(ROUNDS, start=1):
        events.round(item, len(ROUNDS), number * 2**20)
    events.finished(RECORD)


SINKS = """
import json, os, sys, threading, time
from pathlib import Path


class Kept:
    def __init__(self, run_dir):
        self.file = (run_dir / "kept").open("a", buffering=1)
        print("a tracker's word")

    def log(self, values, step):
        self.file.write(json.dumps([step, values]) + "\\n")

    def close(self):
        self.file.write("closed\\n")


class Raises(Kept):
    def log(self, values, step):
        super().log(values, step)
        if step > 1:
            raise TimeoutError("no answer\\nTry later")


class Exits(Kept):
    def log(self, values, step):
        super().log(values, step)
        if step > 1:
            sys.exit(1)


class Dies(Kept):
    def log(self, values, step):
        super().log(values, step)
        if step > 1:
            os._exit(3)


class Hangs(Kept):
    def log(self, values, step):
        super().log(values, step)
        if step > 1:
            time.sleep(1000)


class WritesInAThread(Kept):
    def log(self, values, step):
        super().log(values, step)
        if step > 1:
            writer = threading.Thread(target=self.write)
            writer.start()
            time.sleep(1000)  # for what the thread no longer does

    def write(self):
        raise OSError(28, "No space left on device")


class Refuses(Kept):
    def __init__(self, run_dir):
        raise ConnectionError("no server")


class NeverOpens(Kept):
    def __init__(self, run_dir):
        time.sleep(1000)


class CannotClose(Kept):
    def close(self):
        raise RuntimeError("not uploaded")


class NeverCloses(Kept):
    def close(self):
        super().close()
        time.sleep(1000)
"""


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Observer]:
    """Return a function that opens a tracker `down` by one of the sinks above."""
    (tmp_path / "sinks_of_a_test.py").write_text(SINKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(kind: str) -> Observer:
        monkeypatch.setitem(TRACKERS, "down", ("json", f"sinks_of_a_test:{kind}"))
        return tracker("down")

    return make


def rows(run_dir: Path) -> list[tuple[int, Values]]:
    lines = (run_dir / "kept").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines if line != "closed"]


def test_every_round_and_the_scores_arrive_once_and_stdout_is_left_alone(
    tmp_path: Path, faked: Callable[[str], Observer], capfd: pytest.CaptureFixture[str]
) -> None:
    tell(Events([faked("Kept")]), tmp_path)
    assert [step for step, _ in rows(tmp_path)] == [1, 2, 3, 3]
    assert rows(tmp_path)[0][1] == round_values(ROUNDS[0], 2**20)
    assert rows(tmp_path)[-1][1] == result_values(RECORD)
    assert rows(tmp_path)[-1][1]["eval/mean"] == RECORD.average
    assert (tmp_path / "kept").read_text().endswith("closed\n")
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "a tracker's word\n"


@pytest.mark.parametrize(
    ("kind", "why", "heard"),
    [
        ("Refuses", "ConnectionError: no server", []),
        ("NeverOpens", "no answer for 3 s", []),
        ("Missing", "AttributeError: .*Missing.*", []),
        ("Raises", "TimeoutError: no answer Try later", [1, 2]),
        ("Exits", "SystemExit: 1", [1, 2]),
        ("Dies", "its process ended with exit code 3", [1, 2]),
        ("Hangs", "no answer for 2 s", [1, 2]),
        ("WritesInAThread", r"OSError: \[Errno 28\] No space left on device", [1, 2]),
        ("CannotClose", "RuntimeError: not uploaded", [1, 2, 3, 3]),
        ("NeverCloses", "no answer for 2 s", [1, 2, 3, 3]),
    ],
)
def test_a_tracker_that_is_down_is_one_line_and_the_run_goes_on(
    kind: str,
    why: str,
    heard: list[int],
    tmp_path: Path,
    faked: Callable[[str], Observer],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trackers, "OPEN_S", 3.0 if kind == "NeverOpens" else 60.0)
    monkeypatch.setattr(trackers, "ANSWER_S", 2.0)
    others: list[str] = []
    down = faked(kind)
    begin = time.monotonic()
    tell(Events([down, lambda event: others.append(event.kind)]), tmp_path)
    assert time.monotonic() - begin < 20
    assert others == ["step", "round", "round", "round", "finished"]
    [line] = [text for text in capfd.readouterr().err.splitlines() if text != "a tracker's word"]
    assert re.fullmatch(rf"tracker down: {why}; it is told nothing more, the run goes on", line)
    assert [step for step, _ in (rows(tmp_path) if heard else [])] == heard
    assert isinstance(down, Tracker)
    assert down._process is not None
    assert down._process.returncode is not None, "nothing of it is left"


RUN = """
import sys
from pathlib import Path
from harness.pipeline import trackers
from harness.pipeline.events import Events
trackers.TRACKERS["down"] = ("json", "sinks_of_a_test:" + sys.argv[2])
trackers.ANSWER_S = 2.0
sys.path.insert(0, sys.argv[3])
from test_trackers import ROUNDS, RECORD, tell
events = Events([trackers.tracker("down")])
if sys.argv[1] == "whole":
    tell(events, Path.cwd())
    print("RESULT")
else:
    events.run_dir = Path.cwd()
    events.round(ROUNDS[0], 3, 1)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_apart(how: str, kind: str, folder: Path) -> subprocess.CompletedProcess[str]:
    here = Path(__file__).parent
    paths = [os.environ["PYTHONPATH"], str(here.parent), str(here.parent / "tiny")]
    return subprocess.run(
        [sys.executable, "-c", RUN, how, kind, str(here)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, cwd=folder,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.usefixtures("faked")
@pytest.mark.parametrize("kind", ["Hangs", "NeverCloses"])
def test_a_run_ends_though_its_tracker_never_does(kind: str, tmp_path: Path) -> None:
    done = run_apart("whole", kind, tmp_path)
    assert (done.returncode, done.stdout) == (0, "RESULT\n"), done.stderr


@pytest.mark.usefixtures("faked")
def test_a_run_that_is_killed_leaves_a_tracker_that_writes_what_it_has(tmp_path: Path) -> None:
    assert run_apart("killed", "Kept", tmp_path).returncode == -signal.SIGKILL
    end = time.monotonic() + 30
    while not (tmp_path / "kept").read_text().endswith("closed\n"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert [step for step, _ in rows(tmp_path)] == [1]


@pytest.mark.usefixtures("faked")
def test_a_tracker_that_hangs_does_not_outlive_a_killed_run_by_long(tmp_path: Path) -> None:
    code = f"import {trackers.SINKS} as process; process.LONGEST_S = 1; process.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "sinks_of_a_test:NeverOpens", str(tmp_path), "down"],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGALRM


def test_a_package_that_is_not_there_is_named_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in trackers.TRACKERS:
        with pytest.raises(MissingExtraError, match=rf"pip install .*\[{name}\]"):
            tracker(name)


def test_tensorboard_s_files_hold_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorboard", reason="no tensorboard here; it is an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tell(Events([tracker("tensorboard")]), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = [(item.step, item.value) for item in events.Scalars("train/loss")]
    assert losses == [(r.round, pytest.approx(r.train_loss)) for r in ROUNDS]
    [mean] = events.Scalars("eval/mean")
    assert mean.value == pytest.approx(RECORD.average)


def test_a_folder_that_tensorboard_cannot_write_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its writing thread ends with the folder, and its next call would wait for it for ever."""
    pytest.importorskip("torch")
    pytest.importorskip("tensorboard", reason="no tensorboard here; it is an extra")
    (tmp_path / "tensorboard").write_text("no folder")
    tell(Events([tracker("tensorboard")]), tmp_path)
    events = Events([tracker("tensorboard")])
    events.run_dir = tmp_path / "second"
    events.round(ROUNDS[0], 3, 1)
    shutil.rmtree(tmp_path / "second")
    events.round(ROUNDS[1], 3, 2)
    events.finished(RECORD)
    first, second = capfd.readouterr().err.splitlines()
    for line, why in ((first, "FileExistsError"), (second, "FileNotFoundError")):
        assert line.startswith(f"tracker tensorboard: {why}: ")
        assert line.endswith("the run goes on")


def test_weights_and_biases_needs_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="no wandb here; it is an extra")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tell(Events([tracker("wandb")]), tmp_path)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_trackio_needs_no_account_and_leaves_stdout_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("no trackio here; it is an extra")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read at its import
    tell(Events([tracker("trackio")]), tmp_path / "run")
    assert any((tmp_path / "trackio").rglob("*"))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"TRACKIO_DIR": "{file}/below"}, "trackio failed to flush .* Not a directory"),
        ({"TRACKIO_SPACE_ID": "someone/space", "HF_ENDPOINT": "http://127.0.0.1:9"}, r"\w+Error: "),
    ],
    ids=["no folder", "no server"],
)
def test_a_trackio_that_is_down_is_one_line(
    variables: dict[str, str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("no trackio here; it is an extra")
    (tmp_path / "file").write_text("no folder")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(file=tmp_path / "file"))
    tell(Events([tracker("trackio")]), tmp_path / "run")
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("tracker ")]
    assert said
    assert all(re.match(f"tracker trackio: {why}", line) for line in said)


def test_a_round_without_an_aggregation_error_has_no_such_number() -> None:
    plain = RoundRecord.model_validate(ROUNDS[0].model_dump() | {"aggregation_error": None})
    assert "aggregation/error" not in round_values(plain, 1)
