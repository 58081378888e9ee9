"""A repetition runs where nothing tells it from a run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from served import serve
from tiny_run import TinyRun

from harness.document import pretty_json, write_atomic
from harness.errors import UsageError
from harness.federation.clientapp import client_state
from harness.reproduce import read_original
from harness.reproduce.scratch import scratch
from harness.reproduce.start import seed_from_checkpoint


@pytest.fixture
def original(small: TinyRun, tmp_path: Path) -> Path:
    """A run directory that has its spec alone."""
    folder = tmp_path / "recorded-original"
    write_atomic(folder / "spec.json", pretty_json(small.spec.model_dump(mode="json")))
    return folder


def test_the_folder_is_named_as_that_of_any_run(original: Path) -> None:
    with scratch(read_original(original), None, own_process=False) as work_dir:
        assert re.fullmatch(r"runs/tiny-fedavg-smoke-\d{8}T\d{6}Z", "/".join(work_dir.parts[-2:]))
        assert not re.search("original|repr|repeat", str(work_dir))
        work_dir.mkdir(parents=True)
    assert not work_dir.parents[1].exists()


def test_what_is_to_be_kept_is_moved_there_at_the_end_whatever_happens(
    original: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept"
    out.mkdir()

    def fails() -> None:
        with scratch(read_original(original), out, own_process=False) as work_dir:
            work_dir.mkdir(parents=True)
            (work_dir / "rounds.jsonl").write_text("x")
            assert not work_dir.is_relative_to(out)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (out / "rounds.jsonl").read_text() == "x"
    with (
        pytest.raises(UsageError, match="not an empty directory"),
        scratch(read_original(original), out, own_process=False),
    ):
        pytest.fail("it began")


def test_a_round_gets_nothing_that_a_later_round_left(
    small: TinyRun, original: Path, tmp_path: Path
) -> None:
    """A client's own files of later rounds could hold what it is to return now."""
    serve(small, original, keep_checkpoints=3)
    states = original / client_state.CLIENT_STATES
    states.mkdir(exist_ok=True)
    for number in (1, 2, 3):
        client_state.save(states, 0, number, {"a": np.zeros(1, np.float32)})
    work_dir = tmp_path / "again"
    assert seed_from_checkpoint(original, work_dir, 1) == 1
    found = {path.name for path in work_dir.rglob("*") if path.is_file()}
    assert found == {
        "round-000001.safetensors", "rounds.jsonl", "partition-00000-round-000001.safetensors",
    }  # fmt: skip
    assert len((work_dir / "rounds.jsonl").read_text().splitlines()) == 1
