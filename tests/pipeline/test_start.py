"""A run that cannot be written is refused before anything is fetched, and leaves nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.document.units import MIB
from harness.errors import (
    FederationError,
    OtherAnswersError,
    OtherRunError,
    PluginError,
    RecordError,
    RuleViolationError,
    UsageError,
)
from harness.federation.job import Job
from harness.pipeline.run import Settings, _slowly, start
from harness.planning.resolve import Request, resolve
from harness.progress import format_duration
from harness.run_directory import LOCK
from harness.sources.assets import Assets


def test_of_two_that_start_at_once_the_later_one_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def locate(*_: object) -> Assets:
        """While this one seeks its sources the other one begins."""
        other = os.open(out / LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(other, fcntl.LOCK_EX)
        (out / "spec.json").write_text("the other's")
        return Assets(model_dir="none", training_file=None, evaluation_files={}, data=())

    monkeypatch.setattr("harness.pipeline.run.locate", locate)
    out.mkdir()
    with pytest.raises(UsageError, match="in use by another harness process"):
        start(Request("smollm2-dora", smoke=True), Settings(out=out))
    assert (out / "spec.json").read_text() == "the other's"


def test_an_unwritable_out_is_refused_before_the_sources_are_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locate(*_: object) -> Assets:
        raise AssertionError("sources were sought")

    monkeypatch.setattr("harness.pipeline.run.locate", locate)
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    request = Request("smollm2-dora", smoke=True)
    with pytest.raises(UsageError, match=r"file/run: nothing can be written there .*--out"):
        start(request, Settings(out=out))


def test_a_full_disk_is_refused_before_the_sources_are_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locate(*_: object) -> Assets:
        raise AssertionError("sources were sought")

    monkeypatch.setattr("harness.pipeline.run.locate", locate)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 * MIB))
    with pytest.raises(UsageError, match=r"run: 3.0 MiB free there, the run's files .* MiB;"):
        start(Request("smollm2-dora", smoke=True), Settings(out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (FederationError, True),
        (OtherAnswersError, False),
        (OtherRunError, False),
        (RuleViolationError, False),
        (PluginError, False),
    ],
)
def test_of_a_stop_that_no_resume_can_mend_none_is_suggested(
    error: type[Exception],
    goes_on: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stops(*_: object) -> None:
        raise error("it stopped")

    monkeypatch.setattr("harness.pipeline.run._stages", stops)
    with pytest.raises(error, match="it stopped"):
        start(Request("smollm2-dora", smoke=True), Settings(out=tmp_path / "run"))
    assert ("go on with: harness run --resume" in capsys.readouterr().err) is goes_on


@pytest.mark.parametrize(
    ("challenge", "own", "kept", "told"),
    [
        ("code", "false", False, True),
        ("code", "false", True, False),
        ("finance", "false", False, False),
        ("finance", "true", False, True),
    ],
)
def test_how_long_a_slow_evaluation_may_take_is_said_before(
    challenge: str, own: str, kept: bool, told: bool, tmp_path: Path
) -> None:
    """Programs are drawn on a CPU; or a model with code of its own answers row by whole row."""
    own_code = (f"model.trust_remote_code={own}",)
    request = Request("smollm2-dora/135m", None, challenge, own_code, False, None, "cpu", None, 5)
    plan = resolve(request)
    assets = Assets(model_dir="none", training_file=None, evaluation_files={}, data=())
    job = Job(spec=plan.spec, challenge=plan.challenge, assets=assets)
    if kept:
        (tmp_path / "scores.json").write_text("{}")
    seconds = plan.forecast.estimate.evaluation_s
    assert seconds is not None
    said = _slowly(job, tmp_path)
    assert (f"at most {format_duration(seconds)}" in said) is told
    assert bool(said) is told


def test_a_run_directory_that_was_deleted_is_not_proposed_to_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"

    def stages(*_: object) -> None:
        shutil.rmtree(out)
        raise FederationError("no ledger")

    monkeypatch.setattr("harness.pipeline.run._stages", stages)
    monkeypatch.setattr(
        "harness.pipeline.run.locate",
        lambda *_: Assets(model_dir="none", training_file=None, evaluation_files={}, data=()),
    )
    with pytest.raises(RecordError, match="deleted or moved while the run went on"):
        start(Request("smollm2-dora", smoke=True), Settings(out=out))
    assert "--resume" not in capsys.readouterr().err
