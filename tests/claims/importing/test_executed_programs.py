"""`harness import --execute`: a project's programs run in a sandbox, and its score comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.boards.protocols.program_protocol import ProgramProtocol
from harness.boards.protocols.programs import ProgramReader
from harness.boards.rows import OfficialSet, Row, row_digest
from harness.claims.check import check_claim
from harness.cli.entries.import_ import command
from harness.errors import UsageError
from harness.leaderboard.entries.claim_entry import claim_entry
from harness.verify.targets import find_targets

ROWS = tuple(Row(f"def twice{i}(n):", "passed", tests=f"assert twice{i}(3) == 6") for i in range(3))
BODIES = ["\n    return n + n", "\n    return n * n", "\n    return 2 * n"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three programs, whose rows are official in this test."""
    monkeypatch.setattr(ProgramReader, "pinned", {"humaneval": tuple(map(row_digest, ROWS))})
    official = OfficialSet("humaneval", ROWS, (), ())
    monkeypatch.setattr(ProgramProtocol, "rows", lambda *_: official)
    tests = tmp_path / "mirror" / "datasets" / "openai" / "openai_humaneval" / "test.parquet"
    tests.parent.mkdir(parents=True)
    tests.write_bytes(b"")
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    folder = tmp_path / "project" / "evaluation" / "peft_10"
    folder.mkdir(parents=True)
    texts = [[row.context + body] for row, body in zip(ROWS, BODIES, strict=True)]
    (folder / "generations_humaneval.json").write_text(json.dumps(texts))
    stated = {"humaneval": {"pass@1": 2 / 3}, "config": {}}
    (folder / "evaluation_results_humaneval.json").write_text(json.dumps(stated))
    return tmp_path / "project"


def imported(project: Path, *options: object) -> Result:
    return CliRunner().invoke(command, [str(project), "--json", *map(str, options)])


def humaneval(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.exception
    sets = json.loads(done.stdout)["claim"]["sets"]
    found: dict[str, Any] = next(item for item in sets if item["task"] == "humaneval")
    return found


def test_a_claim_of_programs_is_recounted_by_executing_them(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "submissions" / "code" / "project"
    done = imported(project, "--execute", "--isolation", "auto", "--out", out)
    recount = humaneval(done)["recount"]
    assert (recount["correct"], recount["examples"], recount["bits"]) == (2, 3, "101")
    assert recount["toolchain"].startswith("Python 3.")
    [told] = [i for i in json.loads(done.stdout)["findings"] if "accuracy file" in i["topic"]]
    assert told["kind"] == "recomputes"
    assert told["expected"].startswith("2/3 in the generations, executed with Python 3.")
    [target] = find_targets(out)
    claim, _, findings = check_claim(target)
    assert claim is not None
    # These three rows are all there are in this test; the board itself has more.
    assert claim_entry(claim, findings).scores["humaneval"].bits == "101"


def test_nothing_is_executed_unasked(project: Path) -> None:
    assert humaneval(imported(project))["recount"] is None
    with pytest.raises(UsageError, match="with --execute only"):
        raise imported(project, "--isolation", "auto").exception or AssertionError


def test_programs_of_other_rows_are_not_executed_and_named(project: Path) -> None:
    file = next(project.rglob("generations_humaneval.json"))
    file.write_text(file.read_text().replace("def twice1", "def thrice"))
    done = imported(project, "--execute", "--isolation", "auto")
    assert humaneval(done)["recount"] is None
    assert "row 1: its prompt differs" in str(json.loads(done.stdout)["claim"]["unread"])


def test_a_missing_interpreter_is_one_clear_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of one set; what can be executed is executed all the same."""
    other = next(project.rglob("generations_humaneval.json"))
    other.with_name("generations_multiple-js.json").write_text(other.read_text())
    other.with_name("evaluation_results_multiple-js.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = imported(project, "--execute", "--isolation", "auto")
    assert humaneval(done)["recount"]["correct"] == 2
    unread = json.loads(done.stdout)["claim"]["unread"]
    assert any("node is not on PATH" in line for line in unread)
