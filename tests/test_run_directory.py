"""Where a run may be written is found out before anything is fetched, and leaves no trace."""

from __future__ import annotations

import fcntl
import os
import shlex
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.pipeline.run import Settings, start
from harness.planning.resolve import Request
from harness.run_directory import LOCK, refuse_existing, refuse_unwritable
from harness.sources.assets import Assets


@pytest.fixture(autouse=True)
def _no_extra_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these runs gets as far as torch, which may not be there."""
    monkeypatch.setattr("harness.pipeline.run.require_run_extra", lambda: None)


def test_a_place_that_can_be_written_to_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    refuse_unwritable(tmp_path / "a" / "b" / "c")
    assert list((tmp_path / "a").iterdir()) == []
    refuse_unwritable(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


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


def test_the_command_that_is_proposed_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "1"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        refuse_existing(folder)
    command = str(caught.value).partition("--resume ")[2].partition(", or")[0]
    assert shlex.split(command) == [str(folder)]


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
