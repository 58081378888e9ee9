"""Submissions of strangers: damage gives findings, never a traceback, and no change goes unseen."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from clean_submission import Submission
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.submissions.check import verify

FOLDER = "submissions/finance/pretend"


@pytest.fixture(scope="module")
def hostile() -> ModuleType:
    """Return `bench/hostile/hostile.py`, which does the same at full length."""
    path = Path(__file__).resolve().parents[2] / "bench" / "hostile" / "hostile.py"
    specification = importlib.util.spec_from_file_location("hostile", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["hostile"] = module
    specification.loader.exec_module(module)
    return module


def test_300_damaged_submissions_give_no_traceback(hostile: ModuleType) -> None:
    result = hostile.fuzz(300, seed=7)
    assert result["files_written_elsewhere"] == 0
    assert result["slowest_s"] < 10


def test_changes_of_meaning_are_found(hostile: ModuleType) -> None:
    """When the manifest is made to fit, and when every digest is: found, or named by verify among
    the things that it takes as stated."""
    for result in hostile.mutate(90, seed=7).values():
        for way in ("sealed", "forged"):
            assert result[way]["changes of meaning"] > 60
            assert result[way]["score"] >= 0.98
            assert result[way]["found"] >= 0.8 * result[way]["changes of meaning"]


ODD_NAMES = ("a\nerror   [x] b: found c", "\x1b[2Kclean", "b\u202eidi", "\udcff\udcfe")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_of_a_file_or_folder_writes_no_line_of_its_own(name: str, tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    (folder / name).write_bytes(b"")
    Submission(2).write(tmp_path / "submissions/finance" / name)
    report = verify([tmp_path])
    lines = report.lines()
    assert all(line.isprintable() for line in lines)
    assert {"known-files", "place"} <= {item.rule for item in report.findings}
    assert len(lines) == len(report.findings) + 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(key=st.sampled_from(sorted(Submission().record)), value=json_values)
def test_any_json_in_any_field_is_judged(key: str, value: Any, tmp_path: Path) -> None:
    record = Submission().record
    record[key] = value
    file = tmp_path / "result.json"
    file.write_text(json.dumps(record))
    report = verify([file])
    assert report.clean or all(item.rule for item in report.findings)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_judged(data: bytes, tmp_path: Path) -> None:
    for name in ("result.json", "claim.json"):
        (tmp_path / name).write_bytes(data)
        assert not verify([tmp_path / name]).clean
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    "data",
    [b"[" * 3_000_000, b'{"a":' * 100_000, b"9" * 2_000_000, b'"' + b"a" * 5_000_000 + b'"'],
    ids=["nesting", "objects", "digits", "string"],
)
def test_absurd_documents_end_quickly(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(data)
    begin = time.monotonic()
    assert not verify([tmp_path / "result.json"]).clean
    assert time.monotonic() - begin < 10


def test_a_record_of_absurd_counts_ends_quickly(tmp_path: Path) -> None:
    submission = Submission()
    submission.record["scores"][0].update(correct=2**60, examples=2**62)
    submission.respec(lambda spec: spec["train"].update(rounds=100_000))
    submission.respec(lambda spec: spec["model"].update(layers=2**40))
    begin = time.monotonic()
    assert not verify([submission.write(tmp_path / FOLDER)]).clean
    assert time.monotonic() - begin < 10


def test_a_tree_with_loops_and_depth_is_walked_once(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    (folder / "loop").symlink_to(tmp_path)
    (tmp_path / "submissions" / "loop").symlink_to(tmp_path)
    report = verify([tmp_path])
    assert report.checked == (str(folder),)
    assert {item.rule for item in report.findings} == {"plain-files", "strays"}


def test_hundreds_of_files_are_refused_not_read(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    for number in range(300):
        (folder / f"file{number}").write_text("x")
    assert "known-files" in {item.rule for item in verify([folder]).findings}


def test_nothing_to_check_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no result\.json"):
        verify([tmp_path])
