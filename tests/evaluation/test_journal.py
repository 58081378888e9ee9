"""Finished rows survive whatever ends the process, and no row is written twice."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from harness.errors import EvaluationError, RecordError
from harness.evaluation import journal as module
from harness.evaluation.journal import Journal

CONTEXTS = tuple(f"prompt {row}" for row in range(5))


def journal(folder: Path) -> Journal:
    return Journal(folder, "fpb", CONTEXTS)


def test_rows_are_found_again_and_end_in_order(tmp_path: Path) -> None:
    with journal(tmp_path) as first:
        for row in (3, 0, 4):
            first.append(row, {"output": f"text {row}"})
    second = journal(tmp_path)
    assert second.missing == [1, 2]
    for row in (2, 1):
        second.append(row, {"output": f"text {row}"})
    lines = [json.loads(line) for line in second.finish().read_text().splitlines()]
    assert [line["row"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["output"] for line in lines] == [f"text {row}" for row in range(5)]
    assert not second.partial.exists()
    assert journal(tmp_path).missing == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_torn_by_a_kill_is_done_again(tmp_path: Path, cut: int) -> None:
    with journal(tmp_path) as first:
        first.append(0, {"output": "a"})
        first.append(1, {"output": "b"})
    data = first.partial.read_bytes()
    first.partial.write_bytes(data[:-cut])
    second = journal(tmp_path)
    assert second.missing == [1, 2, 3, 4]
    second.append(1, {"output": "b"})
    second.close()
    assert second.partial.read_bytes() == data


def test_an_unfinished_set_is_no_result(tmp_path: Path) -> None:
    with journal(tmp_path) as first:
        first.append(2, {})
        with pytest.raises(EvaluationError, match="4 rows are missing, the first is 0"):
            first.finish()


def test_a_full_disk_keeps_whole_lines_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = journal(tmp_path)
    first.append(0, {"output": "a"})
    kept = first.partial.read_bytes()
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 10:
            return real(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    def torn(handle: int, data: bytes) -> int:
        monkeypatch.setattr(module.os, "write", lambda h, d: full(h, d[:5]))
        return real(handle, data[:10])

    monkeypatch.setattr(module.os, "write", torn)
    with pytest.raises(RecordError, match=r"row 1 cannot be written \(No space left on device\)"):
        first.append(1, {"output": "b"})
    assert first.partial.read_bytes() == kept
    monkeypatch.setattr(module.os, "write", real)
    first.append(1, {"output": "b"})
    first.close()
    assert journal(tmp_path).missing == [2, 3, 4]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"row": 0, "context": "prompt 0"}', "line 2: row 0 a second time"),
        ('{"row": 1, "context": "prompt 2"}', "line 2: its prompt is not row 1's"),
        ('{"row": 9, "context": "prompt 9"}', "line 2: row 9; expected 0 to 4"),
        ('{"row": true, "context": "prompt 1"}', "line 2: row True"),
        ("{row}", "line 2: not JSON"),
        ("[]", "line 2: row None"),
    ],
)
def test_a_kept_line_that_cannot_be_is_named(tmp_path: Path, line: str, expected: str) -> None:
    with journal(tmp_path) as first:
        first.append(0, {})
    with first.partial.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(EvaluationError, match=expected):
        journal(tmp_path)
