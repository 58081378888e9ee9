"""An entry whose answers are programs: claimed until every program was executed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission, score_of
from click.testing import CliRunner

from harness.boards.registry import protocol_of
from harness.boards.rows import row_digest
from harness.cli.execute import rescore
from harness.document import pretty_json, sha256_text
from harness.errors import EvaluationError, UsageError
from harness.leaderboard.build import build
from harness.leaderboard.entries.run_details import run_details
from harness.leaderboard.entries.run_entry import run_entry
from harness.planning.eligibility import ineligible_because
from harness.record.ladder import COMMANDS
from harness.record.result import ResultRecord
from harness.submissions.check import check, verify
from harness.submissions.executed import refuse_to_write, write_executed
from harness.submissions.submit import submit
from harness.verify.targets import find_targets

BOARD = "code"
PLACE = f"submissions/{BOARD}/pretend"
COMMAND = f"harness rescore {BOARD} {PLACE} --execute --write"


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Submission(board=BOARD, skill=0.3).write(tmp_path_factory.mktemp("entry") / PLACE)


@pytest.fixture
def folder(entry: Path, tmp_path: Path) -> Path:
    """A copy of the entry, which a test may change."""
    for path in entry.rglob("*"):
        if path.is_file():
            copy = tmp_path / PLACE / path.relative_to(entry)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path / PLACE


def as_recorded(folder: Path) -> dict[str, Any]:
    """Return what executing an entry gives where every verdict comes out as recorded."""
    found = {}
    for path in sorted((folder / "generations").glob("*.jsonl")):
        labels = [json.loads(line)["label"] for line in path.read_text().splitlines()]
        found[path.stem] = {
            "correct": labels.count("passed"), "examples": len(labels),
            "toolchain": "Python 3.11.7",
            "verdicts": [{"attempts": [{"outcome": label}]} for label in labels],
        }  # fmt: skip
    return found


def level(folder: Path) -> str:
    [target] = find_targets(folder)
    checked = check(target)
    assert checked.submission is not None
    return run_entry(checked.submission, checked.findings).level


def stated(folder: Path) -> str:
    [target] = find_targets(folder)
    verdict = check(target).verdict
    assert verdict is not None
    return "; ".join(verdict.stated)


def test_verdicts_are_taken_as_stated_until_the_programs_were_executed(folder: Path) -> None:
    report = verify([folder])
    assert report.clean
    assert {item.rule for item in report.findings} == {"stated-answers"}
    assert level(folder) == "claimed"
    assert "the verdicts on 986 programs: they were not executed again" in stated(folder)
    target = write_executed(refuse_to_write(folder, BOARD), as_recorded(folder), COMMAND)
    assert target == folder / "evidence" / "rescored.json"
    assert json.loads(target.read_text())["packages"] == {"Python": "3.11.7"}
    assert verify([folder]).findings == ()
    assert level(folder) == "rescored"
    assert "verdicts" not in stated(folder)


def test_the_page_says_how_the_level_is_earned(folder: Path) -> None:
    [target] = find_targets(folder)
    submission = check(target).submission
    assert submission is not None
    steps = {item.what: item for item in run_details(submission).repetitions}
    assert (steps["execute"].earns, steps["execute"].command) == ("rescored", COMMAND)
    assert steps["recount"].earns == "claimed"


def test_another_verdict_earns_nothing_and_is_named(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    results = as_recorded(folder)
    task = next(iter(results))
    outcome = results[task]["verdicts"][3]["attempts"][0]
    outcome["outcome"] = "timed out" if outcome["outcome"] == "passed" else "passed"
    with pytest.raises(EvaluationError, match=rf"no rung is earned: {task}: .* in row 3"):
        write_executed(refuse_to_write(folder, BOARD), results, COMMAND)
    del results[task]
    with pytest.raises(EvaluationError, match=f"{task} was not executed"):
        write_executed(refuse_to_write(folder, BOARD), results, COMMAND)
    assert not (folder / "evidence").exists()
    assert (folder / "manifest.json").read_bytes() == before


def test_failing_in_another_way_is_the_same_verdict(folder: Path) -> None:
    """A program that times out here and fails there passes nowhere."""
    results = as_recorded(folder)
    task = next(iter(results))
    for item in results[task]["verdicts"]:
        if item["attempts"][0]["outcome"] == "failed":
            item["attempts"][0]["outcome"] = "timed out"
    write_executed(refuse_to_write(folder, BOARD), results, COMMAND)
    assert verify([folder]).findings == ()


@pytest.mark.parametrize(
    "change",
    [
        {"compared": {}},
        {"adapter_sha256": "0" * 64},
        {"command": COMMANDS["rescored"] + " pretend"},
        {"tolerance": 0.001, "difference": 0.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_evidence_of_something_else_is_found(change: dict[str, Any], folder: Path) -> None:
    submission = Submission(board=BOARD, skill=0.3)
    target = write_executed(refuse_to_write(folder, BOARD), as_recorded(folder), COMMAND)
    value = json.loads(target.read_text()) | change
    submission.evidence["rescored"] = value
    [rung] = json.loads((folder / "ladder.json").read_text())

    digest = sha256_text(pretty_json(value))
    submission.ladder = [rung | {"digest": digest, "command": value["command"]}]
    found = verify([submission.write(folder.parent / "forged")])
    assert {item.rule for item in found.findings} & {"evidence", "ladder"}
    assert not found.clean


def test_a_recount_of_readable_answers_needs_no_evidence(tmp_path: Path, folder: Path) -> None:
    target = write_executed(refuse_to_write(folder, BOARD), as_recorded(folder), COMMAND)
    submission = Submission()
    submission.evidence["rescored"] = json.loads(target.read_text())
    submission.ladder = json.loads((folder / "ladder.json").read_text())
    found = verify([submission.write(tmp_path / "submissions/finance/pretend")])
    assert "ladder" in {item.rule for item in found.findings if item.severity == "error"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["humaneval", "{folder}", "--execute", "--write"], "name the board in place of TASK"),
        ([BOARD, "{folder}/result.json", "--execute"], "is a board; give a folder"),
        ([BOARD, "{folder}", "--write"], "with --execute only"),
        (["finance", "{folder}", "--execute", "--write"], "its outputs are labels"),
    ],
)
def test_what_earns_no_rung_is_said_before_anything_runs(
    arguments: list[str], words: str, folder: Path
) -> None:
    typed = [item.format(folder=folder) for item in arguments]
    with pytest.raises(UsageError, match=words):
        raise CliRunner().invoke(rescore.command, typed).exception or AssertionError


def test_a_rung_is_written_into_a_submission_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a submission to code, not to finance"):
        refuse_to_write(folder, "finance")
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").write_bytes((folder / "result.json").read_bytes())
    (run / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match="a folder that harness submit wrote"):
        refuse_to_write(run, BOARD)


def finished_run(folder: Path) -> Path:
    """Write a smoke run of the board as the harness would have: every solution passed."""
    s = Submission(board=BOARD)
    protocol = protocol_of(s.challenge)
    s.respec(lambda spec: spec.update(smoke=True))
    for item in s.record["federation"]["rounds"]:
        for client in item["clients"]:
            client["examples"] = protocol.smoke_training_rows // s.challenge.num_supernodes
        losses = [client["train_loss"] for client in item["clients"]]
        item["train_loss"] = sum(losses) / len(losses)
    s.rechain()
    for item in s.record["data"]:
        item |= {"source": "synthetic", "notes": ["made by the harness"], "revision": "smoke"}
    s.record["scores"] = []
    (folder / "generations").mkdir(parents=True)
    for task in s.generations:
        official = protocol.smoke_rows(task)
        pairs = list(zip(official.rows, official.examples, strict=True))
        text = "".join(
            json.dumps({"row": index, "context": row.context, "target": "passed",
                        "output": solution, "new_target": "passed", "new_out": "passed"}) + "\n"
            for index, (row, (_, solution)) in enumerate(pairs)
        )  # fmt: skip
        (folder / f"generations/{task}.jsonl").write_text(text)
        rows = [(row_digest(row), "passed", "passed", solution) for row, (_, solution) in pairs]
        score = score_of(s.challenge, task, rows)
        s.record["scores"].append(score | {"generations_sha256": sha256_text(text)})
    s.record["average"] = 1.0
    record = ResultRecord.model_validate(s.record)
    reasons = ineligible_because(record.spec, s.challenge, record.data, record.environment)
    s.record["eligible"], s.record["ineligible_because"] = False, list(reasons)
    (folder / "adapter").mkdir()
    (folder / "adapter/adapter_config.json").write_text(json.dumps(s.config))
    (folder / "spec.json").write_text(json.dumps(s.record["spec"]))
    (folder / "result.json").write_text(pretty_json(s.record))
    return folder


def test_a_run_is_submitted_without_a_rung_and_claimed_on_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smoke runs are filed here, because a whole run's problems may not be passed on to a test."""
    for place in ("harness.submissions.submit", "harness.verify.rules.entry.eligibility"):
        monkeypatch.setattr(f"{place}.exercise_because", lambda spec: ())
    run = finished_run(tmp_path / "run")
    assert verify([run]).clean
    folder = submit(run, tmp_path / "submissions", "mine")
    assert folder.parent.name == BOARD
    assert json.loads((folder / "ladder.json").read_text()) == []
    assert {item.rule for item in verify([folder]).findings} == {"stated-answers"}
    assert level(folder) == "claimed"
    files, refused = build(tmp_path / "submissions")
    assert refused == []
    [page] = [text for name, text in files.items() if "mine" in name and "--execute" in text]
    assert "verdicts on programs as stated" in page
