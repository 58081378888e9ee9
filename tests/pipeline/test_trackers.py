"""Trackers get every round's numbers and the scores; one that fails costs nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from clean_submission import Submission

from harness.errors import MissingExtraError
from harness.pipeline import trackers
from harness.pipeline.events import Events
from harness.pipeline.trackers import TRACKERS, Values, result_values, round_values, tracker
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


class Kept:
    """A tracker's sink that keeps what it is given."""

    def __init__(self, run_dir: Path) -> None:
        self.rows: list[tuple[int, Values]] = []
        self.closed = False
        KEPT.append(self)

    def log(self, values: Values, step: int) -> None:
        self.rows.append((step, values))

    def close(self) -> None:
        self.closed = True


KEPT: list[Kept] = []


def test_every_round_and_the_scores_arrive_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKERS, "kept", ("json", Kept))
    tell(Events([tracker("kept")]), tmp_path)
    kept = KEPT[-1]
    assert [step for step, _ in kept.rows] == [1, 2, 3, 3]
    assert kept.rows[0][1] == round_values(ROUNDS[0], 2**20)
    assert kept.rows[-1][1] == result_values(RECORD)
    assert kept.rows[-1][1]["eval/mean"] == RECORD.average
    assert kept.closed


def test_a_tracker_that_cannot_be_opened_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(run_dir: Path) -> Kept:
        raise ConnectionError("no server")

    monkeypatch.setitem(TRACKERS, "down", ("json", refuse))
    tell(Events([tracker("down")]), tmp_path)
    assert "observer down: ConnectionError: no server" in capsys.readouterr().err


@pytest.mark.parametrize("error", [SystemExit(1), TimeoutError("no answer\nTry later")])
def test_a_tracker_that_goes_down_in_the_middle_is_one_line_and_the_run_goes_on(
    error: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Down(Kept):
        def log(self, values: Values, step: int) -> None:
            super().log(values, step)
            if step > 1:
                raise error

    monkeypatch.setitem(TRACKERS, "down", ("json", Down))
    heard: list[str] = []
    tell(Events([tracker("down"), lambda event: heard.append(event.kind)]), tmp_path)
    assert heard == ["step", "round", "round", "round", "finished"]
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"observer down: {type(error).__name__}")
    assert line.endswith("the run goes on")
    assert [step for step, _ in KEPT[-1].rows] == [1, 2]


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


def test_weights_and_biases_needs_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="no wandb here; it is an extra")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tell(Events([tracker("wandb")]), tmp_path)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_trackio_needs_no_account_and_leaves_stdout_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("no trackio here; it is an extra")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read at its import
    tell(Events([tracker("trackio")]), tmp_path / "run")
    assert any((tmp_path / "trackio").rglob("*"))
    assert capsys.readouterr().out == ""


def test_a_round_without_an_aggregation_error_has_no_such_number() -> None:
    plain = RoundRecord.model_validate(ROUNDS[0].model_dump() | {"aggregation_error": None})
    assert "aggregation/error" not in round_values(plain, 1)
