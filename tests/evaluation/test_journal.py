"""Finished rows survive whatever ends the process, and no row is written twice."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from harness.errors import EvaluationError, RecordError
from harness.evaluation import journal as module
from harness.evaluation.journal import Journal
from harness.evaluation.proof import KEY_FILE, Proof, kept_key, new_key

PROOF = Proof("0" * 64, "what rows depend on")
CONTEXTS = tuple(f"prompt {row}" for row in range(5))


def journal(folder: Path) -> Journal:
    return Journal(folder, "fpb", CONTEXTS, PROOF)


def test_rows_are_found_again_and_end_in_order(tmp_path: Path) -> None:
    with journal(tmp_path) as first:
        for row in (3, 0, 4):
            first.append(row, {"output": f"text {row}"})
    second = journal(tmp_path)
    assert second.missing == [1, 2]
    for row in (2, 1):
        second.append(row, {"output": f"text {row}"})
    lines = [json.loads(line) for line in second.finish().splitlines()]
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
        with pytest.raises(EvaluationError, match="4 rows missing, the first is 0"):
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


def forged(kind: str, line: str) -> str:
    """Return a line that somebody else would leave in the file, made from one of ours."""
    value = json.loads(line)
    edited = {
        "without a proof": {name: value[name] for name in ("row", "context", "output")},
        "with another proof": value | {"row": 1, "context": CONTEXTS[1], "proof": "0" * 64},
        "with the proof of another row": value | {"row": 1, "context": CONTEXTS[1]},
        "with another answer": value | {"output": "positive"},
    }
    return "{row}" if kind == "no JSON" else json.dumps(edited[kind])


@pytest.mark.parametrize(
    "kind",
    ["without a proof", "with another proof", "with the proof of another row",
     "with another answer", "no JSON"],
)  # fmt: skip
def test_a_line_that_somebody_else_wrote_sets_the_file_aside(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with journal(tmp_path) as first:
        first.append(0, {"output": "a"})
    line = first.partial.read_text()
    first.partial.write_text(line + forged(kind, line) + "\n")
    second = journal(tmp_path)
    assert second.missing == [0, 1, 2, 3, 4]
    assert not second.partial.exists()
    assert (tmp_path / "fpb.partial.jsonl.unproven").is_file()
    assert "*.unproven" in capsys.readouterr().err


def finished(folder: Path) -> Journal:
    with journal(folder) as rows:
        for row in range(5):
            rows.append(row, {"output": "negative"})
        rows.finish()
    return rows


def test_a_finished_file_that_somebody_else_wrote_is_set_aside(tmp_path: Path) -> None:
    rows = finished(tmp_path)
    honest = rows.final.read_text()
    rows.final.write_text(honest.replace("negative", "positive"))
    assert journal(tmp_path).missing == [0, 1, 2, 3, 4]
    assert not rows.final.exists()
    rows.final.write_text(honest)
    assert journal(tmp_path).missing == []


def test_files_that_are_set_aside_together_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fpb", "fiqa", "tfns"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")
        assert len(Journal(tmp_path, name, CONTEXTS, PROOF).missing) == 5
    [line] = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line
    assert "generated again" in line


def test_rows_are_of_one_key_one_file_and_one_model(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "tfns.jsonl").write_text((tmp_path / "fpb.jsonl").read_text())
    (tmp_path / "tfns.proof").write_text((tmp_path / "fpb.proof").read_text())
    assert len(Journal(tmp_path, "tfns", CONTEXTS, PROOF).missing) == 5
    for other in (Proof("0" * 64, "another adapter"), Proof("1" * 64, PROOF.about)):
        assert len(Journal(tmp_path, "fpb", CONTEXTS, other).missing) == 5
        (tmp_path / "fpb.jsonl.unproven").rename(tmp_path / "fpb.jsonl")
    assert Journal(tmp_path, "fpb", CONTEXTS, PROOF).missing == []


def test_a_kill_between_a_finished_file_and_its_proof_costs_no_row(tmp_path: Path) -> None:
    with journal(tmp_path) as first:
        for row in range(5):
            first.append(row, {"output": "negative"})
        kept = first.partial.read_bytes()
        text = first.finish()
    first.proven.unlink()
    first.partial.write_bytes(kept)
    second = journal(tmp_path)
    assert second.missing == []
    assert second.finish() == text == first.final.read_text()


def test_rows_of_another_prompt_are_set_aside(tmp_path: Path) -> None:
    finished(tmp_path)
    assert len(Journal(tmp_path, "fpb", ("another", *CONTEXTS[1:]), PROOF).missing) == 5


def test_a_key_is_its_owner_s_alone_and_follows_no_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("0" * 64)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / KEY_FILE).symlink_to(target)
    key = kept_key(tmp_path / "run")
    assert key != "0" * 64
    assert target.read_text() == "0" * 64
    assert stat.S_IMODE((tmp_path / "run" / KEY_FILE).stat().st_mode) == 0o600
    assert kept_key(tmp_path / "run") == key
    assert new_key(tmp_path / "run") != key
