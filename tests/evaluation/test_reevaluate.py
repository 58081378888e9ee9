"""`harness reproduce --evaluation`: the submitted adapter, evaluated again, answers the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from clean_submission import Submission
from click.testing import CliRunner
from tiny_run import EVALUATION_KEY

from harness.cli.execute.reproduce import command
from harness.document import digest_of, pretty_json, read_document, sha256_file, write_atomic
from harness.errors import RecordError, UsageError
from harness.evaluation.evaluated_run import read_run
from harness.evaluation.session import evaluate
from harness.record.result import ResultRecord
from harness.reproduce import evaluation, reevaluate
from harness.reproduce.rung import write_rung
from harness.sources.assets import Assets
from harness.spec import RunSpec

WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture
def finished(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An evaluated run directory with its record, and sources that find the tiny model again."""
    scores = evaluate(read_run(run_dir, None, untrained=False), EVALUATION_KEY, quiet=True)
    assets = read_document(Assets, run_dir / "assets.json")
    spec = read_document(RunSpec, run_dir / "spec.json")
    value = Submission().record
    value["spec"], value["spec_digest"] = spec.model_dump(mode="json"), digest_of(spec)
    value["scores"] = [item.model_dump(mode="json") for item in scores.scores]
    value["adapter"]["sha256"] = sha256_file(run_dir / WEIGHTS)
    value["data"] = [item.model_dump(mode="json") for item in assets.data]
    write_atomic(run_dir / "result.json", pretty_json(ResultRecord.model_validate(value).to_json()))
    monkeypatch.setattr(evaluation, "locate", lambda *args: assets)
    return run_dir


def test_the_same_adapter_answers_the_same_and_earns_the_rung(
    finished: Path, tmp_path: Path
) -> None:
    found = reevaluate(finished, tmp_path / "again", quiet=True)
    assert found.equal
    assert {"fpb", "fpb labels", "tfns loglikelihood_accuracy labels"} <= {
        item.what for item in found.items
    }
    write_rung(finished, found, "0" * 64, "harness reproduce x --evaluation", tolerated=False)
    [rung] = json.loads((finished / "ladder.json").read_text())
    evidence = json.loads((finished / "evidence/re-evaluated.json").read_text())
    assert rung["level"] == evidence["level"] == "re-evaluated"
    assert set(evidence["compared"]) == {"fpb", "fiqa", "tfns"}


def test_an_answer_that_another_model_gave_is_named(finished: Path, tmp_path: Path) -> None:
    """One label and its text edited, count and digest made to fit: the row is named."""
    path = finished / "generations/fpb.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    label = "negative" if rows[3]["new_out"] != "negative" else "positive"
    rows[3] |= {"new_out": label, "output": f" {label}"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = reevaluate(finished, tmp_path / "again", quiet=True)
    assert not found.equal
    [item] = [item for item in found.items if not item.equal]
    assert (item.what, item.found) == ("fpb labels", "7 of 8 rows; first row 3")


def test_other_weights_are_refused_before_anything_is_loaded(
    finished: Path, tmp_path: Path, save_adapter: Callable[..., Path]
) -> None:
    other = save_adapter(tmp_path / "other", seed=2)
    with pytest.raises(RecordError, match="fetch that one"):
        reevaluate(finished, tmp_path / "again", adapter=other)
    (finished / WEIGHTS).unlink()
    with pytest.raises(UsageError, match="--adapter"):
        reevaluate(finished, tmp_path / "again")


@pytest.mark.parametrize("options", [["--evaluation", "--round", "1"], ["--adapter", "."]])
def test_options_that_contradict_are_refused(options: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(tmp_path), *options])
    assert isinstance(done.exception, UsageError)
