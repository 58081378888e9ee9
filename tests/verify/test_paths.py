"""What is read of a path, how findings call it, and what a rule says of absurd values."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission

from harness.errors import RecordError, UsageError
from harness.side_by_side.comparing import compare_runs
from harness.submissions.check import verify
from harness.submissions.submit import submit
from harness.verify.read_submission import seal
from harness.verify.report import Report, shown
from harness.verify.rule import Rule
from harness.verify.targets import find_targets

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "submissions/finance/pretend"


def record(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(Submission().record | changes))
    return path


def test_a_record_alone_is_called_by_its_path(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert verify([path]).findings == ()
    [broken] = verify([record(tmp_path, average=0.5)]).findings
    assert broken.path == f"{path}: average"
    path.write_text("{")
    [unread] = verify([path]).findings
    assert (unread.rule, unread.path) == ("readable", str(path))


def test_a_folder_s_findings_name_the_file_in_it(tmp_path: Path) -> None:
    s = Submission()
    s.record["average"] = 0.5
    folder = s.write(tmp_path / FOLDER)
    [found] = verify([folder]).findings
    assert found.path == f"{folder}/result.json: average"


def test_of_paths_that_overlap_each_thing_is_checked_once(tmp_path: Path) -> None:
    s = Submission()
    s.record["average"] = 0.5
    folder = s.write(tmp_path / FOLDER)
    paths = [tmp_path, folder, folder.parent]
    report = verify(paths)
    assert report.checked == (str(folder),)
    assert report.findings == verify([folder]).findings
    # The record alone shows less than its folder does: both are looked at.
    assert len(verify([folder / "result.json", folder]).checked) == 2


def test_a_challenge_that_is_none_is_answered_with_the_nearest(tmp_path: Path) -> None:
    challenge = Submission().record["challenge"] | {"id": "finanse"}
    path = record(tmp_path, challenge=challenge)
    [found] = verify([path]).findings
    assert (found.rule, found.found) == ("schema", "finanse")
    assert found.expected == 'a challenge; did you mean "finance"?'


def test_a_path_without_anything_to_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nowhere: no such file or folder; give a result"):
        list(find_targets(tmp_path / "nowhere"))
    with pytest.raises(RecordError, match=r"no result\.json or claim\.json in it"):
        list(find_targets(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordError, match="pipe: a pipe, socket or device; give a plain file"):
        list(find_targets(tmp_path / "pipe"))


@pytest.mark.parametrize("name", ["", "claim.json"])
def test_a_claim_where_a_run_should_be_is_called_one(name: str, tmp_path: Path) -> None:
    claim = ROOT / "submissions/finance/ethicalabs-smollm2-1.7b" / name
    with pytest.raises(RecordError, match="a claim, which holds what a project says"):
        submit(claim, tmp_path)
    with pytest.raises(RecordError, match="a claim, which holds what a project says"):
        compare_runs([claim, claim])


def test_a_run_that_has_not_ended_is_told_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text("{}")
    with pytest.raises(RecordError, match=f"no result.json yet; .*run --resume {tmp_path}"):
        list(find_targets(tmp_path))


def test_a_path_s_name_says_what_it_is(tmp_path: Path) -> None:
    def kinds(path: Path) -> list[str]:
        return [item.kind for item in find_targets(path)]

    folder = Submission().write(tmp_path / FOLDER)
    assert kinds(folder / "result.json") == ["record"]
    assert kinds(folder) == kinds(tmp_path) == ["submission"]
    (folder / "spec.json").write_text("{}")
    assert kinds(folder) == ["submission"]
    run = tmp_path / "runs" / "one"
    Submission().write(run)
    assert kinds(run) == ["submission"]
    (run / "spec.json").write_text("{}")
    assert kinds(run) == ["run"]
    assert kinds(tmp_path / "runs") == ["submission"]
    claim = tmp_path / "claim"
    claim.mkdir()
    (claim / "claim.json").write_text("{}")
    assert kinds(claim) == kinds(claim / "claim.json") == ["claim"]
    hidden = tmp_path / "claim" / ".hidden"
    Submission().write(hidden)
    assert kinds(claim) == ["claim"]
    assert "submission" in kinds(hidden)
    assert kinds(tmp_path) == ["claim", "submission", "submission"]


def test_a_folder_of_run_directories_is_answered_with_their_names(tmp_path: Path) -> None:
    runs = [Submission().write(tmp_path / "runs" / name) for name in ("a", "b", "c d", "e")]
    for run in runs:
        (run / "spec.json").write_text("{}")
    assert "no use here" in str(verify([tmp_path / "runs"]).findings)  # other files, stray
    for run in runs:
        (run / "assets.json").write_text("{}")
    with pytest.raises(UsageError) as refused:
        verify([tmp_path / "runs"])
    told = str(refused.value)
    assert "run directories" in told
    assert f"harness verify {runs[0]} {runs[1]} '{runs[2]}' and 1 more" in told
    assert verify(runs[:1]).checked == (str(runs[0]),)


def test_what_is_filed_is_no_run_whatever_lies_in_it(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    for name in ("spec.json", "assets.json"):
        (folder / name).write_text("{}")
    assert not verify([tmp_path]).clean


@pytest.mark.parametrize(
    ("error", "found", "expected"),
    [
        (OverflowError(), "values out of range (OverflowError)", "values a run can have"),
        (UsageError("no task 'x'"), "no task 'x'", "what this rule can be asked of"),
    ],
)
def test_values_that_a_rule_can_do_nothing_with_are_a_finding(
    error: Exception, found: str, expected: str, tmp_path: Path
) -> None:
    def absurd(submission: Any) -> Any:
        yield "here", 1, 2
        raise error

    submission = next(iter(find_targets(Submission().write(tmp_path / FOLDER))))
    rule = Rule("x", "X", "nowhere", absurd)
    told = list(rule._breaches(submission))  # type: ignore[arg-type]
    assert told == [("here", 1, 2), ("", found, expected)]


def test_a_report_is_clean_without_an_error_whatever_else_there_is() -> None:
    rule = Rule("x", "X", "nowhere", None)
    for severity, clean in (("note", True), ("warning", True), ("error", False)):
        finding = rule.finding("path", "a", "b", severity)  # type: ignore[arg-type]
        assert Report.of(["one"], [finding]).clean is clean
    assert Report.of(["one", "two"], []).checked == ("one", "two")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\nb", "a\\u000ab"), (None, "None"), ({"a": "é"}, "{'a': 'é'}"), ("\u202e", "\\u202e"),
     ("\u202e" * 200, "\\u202e" * 33 + "\\u…")],
)  # fmt: skip
def test_a_stranger_s_value_is_one_printable_line(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("name", ["alone.json", "claim.jso", "claim.json.bak", "zero.json"])
def test_any_other_file_is_taken_for_a_record(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    assert [item.kind for item in find_targets(tmp_path / name)] == ["record"]


def test_null_is_a_value_and_no_record(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("null")
    [found] = verify([path]).findings
    assert (found.rule, found.path) == ("schema", str(path))
    assert found.found.startswith("x.json: not a result record")
    path.write_text("{")
    assert [item.rule for item in verify([path]).findings] == ["readable"]


def test_a_folder_is_sealed_or_the_file_that_keeps_it_open_is_named(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER, sealed=False)
    seal(folder)
    assert verify([folder]).findings == ()
    (folder / "evil.bin").write_bytes(b"x")
    with pytest.raises(RecordError) as caught:
        seal(folder)
    told = "a file of no use here; rule known-files keeps it out of a submission"
    assert str(caught.value) == f"{folder / 'evil.bin'}: {told}"
