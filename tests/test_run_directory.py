"""Where a run may be written is found out before anything is fetched, and leaves no trace."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.document.units import MIB
from harness.errors import UsageError
from harness.run_directory import refuse_existing, refuse_unwritable


def test_a_place_that_can_be_written_to_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    refuse_unwritable(tmp_path / "a" / "b" / "c")
    assert list((tmp_path / "a").iterdir()) == []
    refuse_unwritable(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


def test_a_disk_that_cannot_hold_the_run_s_files_is_said_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"MiB free there.* 1,099,511,627,776.0 MiB.*--out"):
        refuse_unwritable(tmp_path / "run", needed_bytes=2**60)
    assert list(tmp_path.iterdir()) == []


def test_what_is_free_and_what_is_needed_are_told_apart_below_a_mebibyte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=MIB // 8))
    with pytest.raises(UsageError, match=r"0\.1 MiB free there.* 0\.4 MiB;"):
        refuse_unwritable(tmp_path / "run", needed_bytes=MIB * 3 // 8)


def test_the_command_that_is_proposed_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "1"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        refuse_existing(folder)
    command = str(caught.value).partition("--resume ")[2].partition(", or")[0]
    assert shlex.split(command) == [str(folder)]
