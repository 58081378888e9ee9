"""`harness submit` writes what verify accepts, without the sets' text, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission, score_of

from harness.boards.challenge import load_challenge
from harness.boards.finance.rows import make_row
from harness.boards.registry import protocol_of
from harness.boards.rows import row_digest
from harness.document import pretty_json, sha256_text
from harness.errors import RecordError, UsageError
from harness.planning import eligibility
from harness.planning.eligibility import ineligible_because
from harness.publishing.publish import publication
from harness.record.card import card
from harness.record.result import ResultRecord
from harness.submissions.check import verify
from harness.submissions.passed_on import REPEATED
from harness.submissions.published import Published
from harness.submissions.submit import RefusedError, submit


@pytest.fixture
def _exercises_are_filed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let smoke runs be filed: a whole run's prompts may not be passed on, not even to a test."""
    for place in ("harness.submissions.submit", "harness.verify.rules.entry.eligibility"):
        monkeypatch.setattr(f"{place}.exercise_because", lambda spec: ())


filing = pytest.mark.usefixtures("_exercises_are_filed")


def smoke_run(
    folder: Path, outputs: dict[int, str] | None = None, sentences: dict[int, str] | None = None
) -> Path:
    """Write a finished smoke run as the harness would have; outputs, sentences of fpb's rows."""
    challenge = load_challenge("finance")
    s = Submission()
    s.respec(lambda spec: spec.update(smoke=True))
    for item in s.record["federation"]["rounds"]:
        for client in item["clients"]:
            client["examples"] = 32
        total = sum(c["train_loss"] for c in item["clients"])
        item["train_loss"] = total / len(item["clients"])
    s.rechain()
    for item in s.record["data"]:
        item["source"], item["notes"] = "synthetic", ["made by the harness"]
        item["revision"] = "smoke"
    scores = []
    for task in ("fpb", "fiqa", "tfns"):
        lines, rows = [], []
        for index, (text, label) in enumerate(protocol_of(challenge).smoke_rows(task).examples):
            sentence = (sentences or {}).get(index, text) if task == "fpb" else text
            row = make_row(challenge.protocol.instruction, sentence, label, "news")
            output = (outputs or {}).get(index, f" {label}") if task == "fpb" else f" {label}"
            found = next((w for w in ("positive", "negative") if w in output), "neutral")
            rows.append((row_digest(row), label, found, output))
            lines.append(
                json.dumps(
                    {"row": index, "context": row.context, "target": label, "output": output,
                     "new_target": label, "new_out": found}
                )
            )  # fmt: skip
        text = "\n".join(lines) + "\n"
        (folder / "generations").mkdir(parents=True, exist_ok=True)
        (folder / f"generations/{task}.jsonl").write_text(text)
        score = score_of(challenge, task, rows)
        score["generations_sha256"] = sha256_text(text)
        words = sum(any(w in r[3] for w in ("positive", "negative", "neutral")) for r in rows)
        score["invalid_rate"] = 1 - words / len(rows)
        scores.append(score)
    s.record["scores"] = scores
    s.record["average"] = sum(score["value"] for score in scores) / 3
    record = ResultRecord.model_validate(s.record)
    reasons = ineligible_because(record.spec, challenge, record.data, record.environment)
    s.record["eligible"], s.record["ineligible_because"] = False, list(reasons)
    (folder / "adapter").mkdir(exist_ok=True)
    (folder / "adapter/adapter_config.json").write_text(json.dumps(s.config))
    (folder / "spec.json").write_text(json.dumps(s.record["spec"]))
    (folder / "README.md").write_text(card(ResultRecord.model_validate(s.record), challenge))
    (folder / "result.json").write_text(pretty_json(s.record))
    return folder


def test_a_smoke_run_is_refused_with_average_one_sentence_and_next_step(
    tmp_path: Path,
) -> None:
    run = smoke_run(tmp_path / "run")
    assert verify([run]).clean
    with pytest.raises(RefusedError, match=r"smoke run.*only whole runs are filed") as refused:
        submit(run, tmp_path / "submissions")
    assert not (tmp_path / "submissions").exists()
    [said] = verify([run]).verdicts
    assert refused.value.verdict == said
    first, code, last = said.lines()
    assert code == "  code that ran: not stated"
    assert "a smoke run, average 100.00 %" in first
    assert "ranks nowhere" in first
    assert len(said.reasons) == 6
    assert last == (
        "  next: this is an exercise and is not filed; run all of it:"
        " harness run --plugin pretend/small"
    )


def test_the_next_step_after_an_exercise_keeps_what_was_set(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    command = [
        "harness", "run", "mine.toml", "--set", "prompt.system=say it", "--set", "r=8",
        "--smoke", "--seed", "7", "--device", "cpu", "--threads", "2", "--limit", "3",
    ]  # fmt: skip
    (run / "command.json").write_text(json.dumps(command))
    [said] = verify([run]).verdicts
    assert said.lines()[-1].endswith(
        "run all of it: harness run mine.toml --set 'prompt.system=say it' --set r=8 --seed 7"
    )


@pytest.mark.parametrize("change", [{"smoke": True}, {"evaluation_rows": 16}])
def test_an_exercise_that_is_filed_by_hand_is_on_no_board(
    change: dict[str, Any], tmp_path: Path
) -> None:
    s = Submission()
    s.respec(lambda spec: spec.update(change))
    found = verify([s.write(tmp_path / "submissions/finance/mine")]).findings
    [told] = [item for item in found if item.rule == "whole-run"]
    [reason] = eligibility.exercise_because(ResultRecord.model_validate(s.record).spec)
    assert (told.severity, told.found) == ("error", reason)
    record = tmp_path / "run.json"
    record.write_text(json.dumps(s.record))
    assert "whole-run" not in {item.rule for item in verify([record]).findings}


@filing
def test_a_run_is_submitted_whole_and_verifies(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    assert verify([run]).findings == ()
    folder = submit(run, tmp_path / "submissions")
    assert folder.parent.name == "finance"
    assert verify([folder]).findings == ()
    assert json.loads((folder / "ladder.json").read_text())[0]["level"] == "rescored"


@filing
def test_no_sentence_of_an_evaluation_set_is_submitted(tmp_path: Path) -> None:
    """Neither the prompts nor a model's repetition of them, nor the temporary folder stays."""
    protocol = protocol_of(load_challenge("finance"))
    sentence = protocol.smoke_rows("fpb").examples[0][0]
    run = smoke_run(tmp_path / "run", {0: f"\nInput: {sentence}\nneutral"})
    folder = submit(run, tmp_path / "submissions")
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    for task in ("fpb", "fiqa", "tfns"):
        for text, _ in protocol.smoke_rows(task).examples:
            assert not any(text in found for found in texts)
    assert REPEATED in (folder / "generations/fpb.jsonl").read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_verify_refuses_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    value: dict[str, Any] = json.loads((run / "result.json").read_text())
    value["average"] += 0.01
    (run / "result.json").write_text(json.dumps(value))
    with pytest.raises(RefusedError, match="average"):
        submit(run, tmp_path / "submissions")
    assert not (tmp_path / "submissions").exists()
    with pytest.raises(RecordError, match="average"):
        publication(*with_weights(run))


@filing
@pytest.mark.parametrize("ours", [True, False], ids=["this adapter", "another adapter"])
def test_where_the_adapter_was_published_is_in_the_submission(ours: bool, tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    digest = json.loads((run / "result.json").read_text())["adapter"]["sha256"]
    published = Published(
        repository="someone/adapter",
        revision="c" * 40,
        address=f"https://huggingface.co/someone/adapter/tree/{'c' * 40}",
        adapter_sha256=digest if ours else "0" * 64,
        files=("README.md",),
    )
    (run / "published.json").write_text(published.model_dump_json(by_alias=True))
    about = json.loads((submit(run, tmp_path / "submissions") / "about.json").read_text())
    if ours:
        assert about["adapter"]["repository"] == "someone/adapter"
        assert about["adapter"]["revision"] == "c" * 40
        assert about["adapter"]["sha256"] == digest
    else:
        assert "adapter" not in about
    other = {"adapter": {"repository": "me/mine", "revision": "main"}}
    about = json.loads((submit(run, tmp_path / "again", stated=other) / "about.json").read_text())
    assert about["adapter"]["repository"] == "me/mine"


def with_weights(run: Path) -> tuple[Path, str]:
    (run / "adapter/adapter_model.safetensors").write_bytes(b"")
    return run, "someone/adapter"


def test_what_is_no_finished_run_is_called_what_it_is(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    with pytest.raises(UsageError, match=r"result\.json: a file; expected the run directory"):
        submit(run / "result.json", tmp_path / "submissions")
    with pytest.raises(UsageError, match=r"no spec\.json there; expected a run directory"):
        submit(tmp_path, tmp_path / "submissions")
    (run / "result.json").unlink()
    (run / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match=f"no result.json; .* --resume {run}"):
        submit(run, tmp_path / "submissions")


@filing
def test_a_taken_or_unusable_name_is_refused(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    submit(run, tmp_path / "submissions", "mine")
    with pytest.raises(UsageError, match="exists"):
        submit(run, tmp_path / "submissions", "mine")
    for name in ("../elsewhere", "con", "mine."):
        with pytest.raises(UsageError, match="a-z"):
            submit(run, tmp_path / "submissions", name)


@filing
def test_a_run_is_filed_once_whatever_it_is_called(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    submit(run, tmp_path / "submissions", "mine")
    with pytest.raises(RefusedError, match="filed already, as submissions/finance/mine") as refused:
        submit(run, tmp_path / "submissions", "mine-too")
    assert [item.rule for item in refused.value.findings] == ["once"]
    assert [path.name for path in (tmp_path / "submissions/finance").iterdir()] == ["mine"]


def submitted_outputs(run: Path, submissions: Path) -> list[str]:
    """Return the raw outputs of fpb as they are submitted."""
    folder = submit(run, submissions)
    lines = (folder / "generations/fpb.jsonl").read_text().splitlines()
    return [json.loads(line)["output"] for line in lines]


@filing
def test_a_repeated_sentence_that_decides_its_own_label_is_cut_to_the_label(tmp_path: Path) -> None:
    """Without the sentence the text would read as neutral, and no longer as the run counted it."""
    sentence = "Alder Bank gave a positive outlook ."
    run = smoke_run(tmp_path / "run", {3: f" I repeat: {sentence}"}, {3: sentence})
    assert submitted_outputs(run, tmp_path / "submissions")[3] == "positive"


@filing
def test_only_a_sentence_of_16_characters_or_more_counts_as_repeated(tmp_path: Path) -> None:
    """A shorter one may stand in an answer by chance."""
    short, long = "x" * 15, "y" * 16
    outputs = {0: f" neutral {short}", 1: f" neutral {long}"}
    run = smoke_run(tmp_path / "run", outputs, {0: short, 1: long})
    found = submitted_outputs(run, tmp_path / "submissions")
    assert found[:2] == [f" neutral {short}", f" neutral {REPEATED}"]
