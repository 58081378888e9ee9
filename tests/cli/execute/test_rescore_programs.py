"""`harness rescore --execute`: programs of a published file run, and the score comes of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.boards.protocols.program_protocol import ProgramProtocol
from harness.boards.protocols.programs import ProgramReader
from harness.boards.rows import OfficialSet, Row, row_digest
from harness.cli.execute.rescore import command
from harness.errors import EvaluationError, HarnessError, MissingExtraError, UsageError

ROWS = tuple(
    Row(f"def add{i}(n):", "passed", tests=f"assert add{i}(1) == {1 + i}") for i in range(4)
)
BODIES = ["\n    return n", "\n    return n + 1", "\n    return n + 3", "\n    retrun n"]
"""Right, right, wrong, and no Python."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generations file of the four rows above, which are official in this test."""
    digests = tuple(row_digest(row) for row in ROWS)
    monkeypatch.setattr(ProgramReader, "pinned", {"humaneval": digests})
    official = OfficialSet("humaneval", ROWS, (), ())
    monkeypatch.setattr(ProgramProtocol, "rows", lambda *_: official)
    folder = tmp_path / "mirror" / "datasets" / "openai" / "openai_humaneval"
    folder.mkdir(parents=True)
    (folder / "test.parquet").write_bytes(b"")
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    texts = [[row.context + body] for row, body in zip(ROWS, BODIES, strict=True)]
    path = tmp_path / "generations_humaneval.json"
    path.write_text(json.dumps(texts))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["humaneval", *map(str, arguments)])


def test_programs_are_executed_and_the_score_is_told(file: Path, tmp_path: Path) -> None:
    stated = {"humaneval": {"pass@1": 0.75}, "config": {"load_in_4bit": True}}
    (tmp_path / "evaluation_results_humaneval.json").write_text(json.dumps(stated))
    out = tmp_path / "verdicts.json"
    done = run(file, "--execute", "--isolation", "auto", "--verdicts", out)
    assert done.exit_code == 0, done.output
    for words in (
        "pass@1         50.00 % (2/4 passed)",
        "2 failed, 0 timed out",
        "2 to 2 passed (50.00 % to 50.00 %)",
        "isolation      ",
        "0.75 in evaluation_results_humaneval.json: another value",
        "not official   load_in_4bit is true, officially false",
    ):
        assert words in done.stdout
    result = json.loads(out.read_text())
    assert [each["verdict"] for each in result["verdicts"]] == [
        "passed", "passed", "failed: AssertionError", "failed: SyntaxError",
    ]  # fmt: skip
    assert (result["correct"], result["examples"], result["accuracy"]) == (2, 4, 0.5)
    assert result["passed_on_other_machines"] == [2, 2]
    assert {"stderr", "interval", "isolation", "wall_s", "toolchain", "sha256"} <= set(result)


@pytest.mark.parametrize("submitted", [False, True])
def test_verdicts_of_a_run_or_a_submission_are_compared_with_an_execution(
    file: Path, tmp_path: Path, submitted: bool
) -> None:
    """Both keep completions; a submission names its rows in place of their prompts."""
    labels = ["failed", "passed", "passed", "failed"]
    lines = []
    for index, (row, body, label) in enumerate(zip(ROWS, BODIES, labels, strict=True)):
        if submitted:
            line = {"index": index, "row": row_digest(row), "target": "passed", "label": label}
            lines.append(line | {"output": body})
        else:
            named = {"row": index, "context": row.context, "output": body}
            lines.append(named | {"new_target": "passed", "new_out": label})
    kept = tmp_path / "run" / "generations" / "humaneval.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run(tmp_path / "run", "--execute", "--isolation", "auto")
    assert "pass@1         50.00 % (2/4 passed)" in done.stdout, done.exception
    assert "otherwise      2 stated verdicts, the first of row 0" in done.stdout
    kept.write_text(kept.read_text().replace("add2", "add9") if not submitted else "".join(
        json.dumps(line) + "\n" for line in reversed(lines)
    ))  # fmt: skip
    refused = run(tmp_path / "run", "--execute", "--isolation", "auto")
    assert "not official row" in str(refused.exception)


def test_json_is_one_object(file: Path) -> None:
    done = run(file, "--execute", "--isolation", "auto", "--json")
    result = json.loads(done.stdout)
    assert result["accuracy"] == 0.5
    assert result["stated"] is None


def test_without_execute_the_message_says_what_reads_the_file(file: Path) -> None:
    done = run(file)
    assert isinstance(done.exception, EvaluationError)
    assert "programs of the code board are scored by executing them: add --execute" in str(
        done.exception
    )


def test_a_wrong_file_is_refused_though_no_tests_are_at_hand(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "datasets" / "openai" / "openai_humaneval" / "test.parquet").unlink()
    file.write_text(json.dumps(json.loads(file.read_text())[:3]))
    with pytest.raises(EvaluationError, match="row 3: missing"):
        raise run(file, "--execute").exception or AssertionError


def test_a_prompt_that_differs_is_shown_beside_the_official_one(file: Path) -> None:
    file.write_text(file.read_text().replace("def add2(n)", "def  add2(n)"))
    with pytest.raises(EvaluationError, match=r"row 2: its prompt differs.*only white space"):
        raise run(file, "--execute").exception or AssertionError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["humaneval", "F", "--isolation", "auto"], "with --execute only"),
        (["humaneval", "F", "--verdicts", "v.json"], "with --execute only"),
        (["fpb", "F", "--execute"], "fpb: its outputs are labels.*leave out --execute"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        raise CliRunner().invoke(command, arguments).exception or AssertionError


def test_a_missing_extra_is_named_in_one_line(
    mirror: Path, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    published = next((golden.parent / "code").glob("*/generations_humaneval.json"))
    done = run(published, "--execute", "--mirror", mirror)
    assert isinstance(done.exception, MissingExtraError)
    assert "pip install 'flowertune-harness[run]'" in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_published_file_of_another_task_is_called_by_its_name(mirror: Path, golden: Path) -> None:
    pytest.importorskip("pyarrow")
    published = next((golden.parent / "code").glob("*/generations_multiple-js.json"))
    done = run(published, "--execute", "--mirror", mirror)
    assert isinstance(done.exception, HarnessError)
    assert "holds rows of multiple-js (161 prompts)" in str(done.exception)
