"""One evaluation: both measures scored, resumable, never repeated, in a process without plugins."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from environment import environment_with
from tiny_run import EVALUATION_KEY

from harness.cli import main
from harness.cli.execute.evaluate import gains
from harness.document import pretty_json, read_document, read_json, sha256_file, write_atomic
from harness.errors import EvaluationError, RecordError, UsageError
from harness.evaluation.evaluated_run import EvaluatedRun, read_run
from harness.evaluation.journal import Journal
from harness.evaluation.result_key import ResultKey, evaluation_lock
from harness.evaluation.sealed.evaluator import START
from harness.evaluation.sealed.launch import evaluate_run
from harness.evaluation.session import evaluate
from harness.record.score import Scores
from harness.scoring.statistics import standard_error

TASKS = ("fpb", "fiqa", "tfns")
ROWS = 8
"""Synthetic rows per set."""

KILL_AFTER = 7
KILLED = f"""
import os, signal, sys
from harness.evaluation import journal
real, count = journal.Journal.append, 0
def append(self, row, value):
    global count
    real(self, row, value)
    count += 1
    if count == {KILL_AFTER}:
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.append = append
from pathlib import Path
from harness.evaluation.evaluated_run import read_run
from harness.evaluation.session import evaluate
evaluate(read_run(Path(sys.argv[1]), None, False), sys.argv[2], quiet=True)
"""


def subject(run_dir: Path) -> EvaluatedRun:
    return read_run(run_dir, None, untrained=False)


def lines(run_dir: Path, name: str) -> list[dict[str, object]]:
    text = (run_dir / "generations" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def appended(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """Count the rows that are written while a test runs."""
    count: Counter[tuple[str, int]] = Counter()
    real = Journal.append

    def append(self: Journal, row: int, value: dict[str, object]) -> None:
        count[self.final.stem, row] += 1
        real(self, row, value)

    monkeypatch.setattr(Journal, "append", append)
    return count


def test_a_run_without_an_adapter_is_to_be_finished_first(run_dir: Path) -> None:
    for file in (run_dir / "adapter").iterdir():
        file.unlink()  # the folder is made before a federation that is held back
    with pytest.raises(EvaluationError, match=f"no adapter yet; .*harness run --resume {run_dir}"):
        subject(run_dir)


def test_both_measures_of_every_set_are_scored(run_dir: Path) -> None:
    scores = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert read_document(Scores, run_dir / "scores.json") == scores
    assert [(item.metric, item.task) for item in scores.scores] == [
        (metric, task) for metric in ("accuracy", "loglikelihood_accuracy") for task in TASKS
    ]
    for item in scores.scores:
        official = item.metric == "accuracy"
        name = item.task if official else f"{item.task}.loglikelihood"
        rows = lines(run_dir, name)
        right = sum(row["new_out"] == row["new_target"] for row in rows)
        assert (item.correct, item.examples) == (right, ROWS)
        assert item.stderr == pytest.approx(standard_error(right, ROWS))
        assert item.interval[0] <= item.value <= item.interval[1]
        assert item.generations_sha256 == sha256_file(run_dir / "generations" / f"{name}.jsonl")
        assert (item.invalid_rate is not None) is official
        assert item.leak is not None
        assert item.leak.clean_examples + item.leak.text_rows == ROWS
    assert scores.adapter_sha256 == sha256_file(run_dir / "adapter" / "adapter_model.safetensors")


def test_a_killed_evaluation_goes_on_where_it_stopped(
    run_dir: Path, appended: Counter[tuple[str, int]]
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(run_dir), EVALUATION_KEY], check=False)
    assert done.returncode == -signal.SIGKILL
    kept = {
        (task, row["row"]): row
        for task in TASKS
        if (run_dir / "generations" / f"{task}.partial.jsonl").exists()
        for row in lines(run_dir, f"{task}.partial")
    }
    assert len(kept) == KILL_AFTER
    assert all(row.pop("proof") for row in kept.values())
    evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    final = {(task, row["row"]): row for task in TASKS for row in lines(run_dir, task)}
    assert len(final) == ROWS * len(TASKS)
    assert {key: final[key] for key in kept} == kept
    official = {key: n for key, n in appended.items() if "." not in key[0]}
    assert official == {key: 1 for key in final if key not in kept}
    assert not list((run_dir / "generations").glob("*.partial.jsonl"))


def test_a_run_that_is_deleted_meanwhile_ends_with_the_next_row_and_stays_away(
    run_dir: Path, appended: Counter[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Journal.append

    def append(self: Journal, row: int, value: dict[str, object]) -> None:
        real(self, row, value)
        shutil.rmtree(run_dir, ignore_errors=True)

    monkeypatch.setattr(Journal, "append", append)
    with pytest.raises(RecordError, match="No such file"):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert appended.total() == 2
    assert not run_dir.exists()


def test_a_stop_among_the_log_likelihoods_changes_no_byte(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the 7th and the 8th of 24 rows, in the middle of a unit."""
    monkeypatch.setattr("harness.evaluation.decoder.loglikelihood.UNIT_ROWS", 5)
    generations, real = run_dir / "generations", Journal.append
    evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    undisturbed = {path.name: path.read_bytes() for path in generations.glob("*.jsonl")}
    generations.rename(run_dir / "undisturbed")
    left = ROWS * len(TASKS) + 7

    def append(self: Journal, row: int, value: dict[str, object]) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(self, row, value)

    monkeypatch.setattr(Journal, "append", append)
    with pytest.raises(KeyboardInterrupt):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    monkeypatch.setattr(Journal, "append", real)
    evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert {path.name: path.read_bytes() for path in generations.glob("*.jsonl")} == undisturbed


def test_what_is_there_is_not_generated_again(
    run_dir: Path, appended: Counter[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: object) -> None:
        raise AssertionError("a model was loaded")

    first = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    appended.clear()
    monkeypatch.setattr("harness.evaluation.engine.load_engine", load)
    (run_dir / "scores.json").unlink()
    again = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert not appended
    assert again.scores == first.scores


def test_an_ended_evaluation_is_read_and_counted_again_without_a_library(run_dir: Path) -> None:
    prepared = []

    def again() -> tuple[Any, int]:
        prepared.clear()
        scores = evaluate(
            subject(run_dir), EVALUATION_KEY, quiet=True, prepare=lambda: prepared.append(1)
        )
        return scores, len(prepared)

    first, loads = again()
    assert loads == 1
    text = (run_dir / "scores.json").read_text()
    assert again() == (first, 0)
    assert (run_dir / "scores.json").read_text() == text
    other = re.sub(r'"value": [0-9.]+', '"value": 0.123', text, count=1)
    assert other != text
    (run_dir / "scores.json").write_text(other)
    last, loads = again()
    assert (last.scores, loads) == (first.scores, 1)


def test_another_adapter_gets_rows_of_its_own(
    run_dir: Path, save_adapter: Callable[..., Path]
) -> None:
    first = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    before = lines(run_dir, "fpb")
    config = (run_dir / "adapter" / "adapter_model.safetensors").read_bytes()
    save_adapter(run_dir / "adapter", seed=9)
    second = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert second.adapter_sha256 != first.adapter_sha256
    assert lines(run_dir, "fpb") != before
    (run_dir / "adapter" / "adapter_model.safetensors").write_bytes(config)
    third = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert third.scores == first.scores
    assert lines(run_dir, "fpb") == before


def test_other_versions_do_not_mix(
    run_dir: Path,
    appended: Counter[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    appended.clear()
    monkeypatch.setattr(
        "harness.evaluation.evaluated_run.deciding_versions", lambda: {"torch": "0.0"}
    )
    evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    assert len(appended) == 2 * ROWS * len(TASKS)
    [aside] = run_dir.glob("generations.*")
    [line] = [line for line in capsys.readouterr().err.splitlines() if aside.name in line]
    assert f"{2 * ROWS * len(TASKS)} rows not used, answered with " in line
    assert re.search(r"torch [^ ]+ \(now 0\.0\)", line)


def test_an_edited_kept_row_is_generated_again(run_dir: Path) -> None:
    first = evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)
    file = run_dir / "generations" / "fpb.jsonl"
    honest = file.read_bytes()
    file.write_bytes(honest.replace(b'"output": "', b'"output": "positive ', 1))
    assert evaluate(subject(run_dir), EVALUATION_KEY, quiet=True).scores == first.scores
    assert file.read_bytes() == honest


def test_two_evaluations_of_one_run_do_not_meet(run_dir: Path) -> None:
    with (
        evaluation_lock(run_dir),
        pytest.raises(UsageError, match="is being evaluated by another process"),
    ):
        evaluate(subject(run_dir), EVALUATION_KEY, quiet=True)


def test_a_run_under_other_rules_is_refused(run_dir: Path) -> None:
    spec = read_json(run_dir / "spec.json")
    spec["challenge"]["digest"] = "0" * 64
    write_atomic(run_dir / "spec.json", pretty_json(spec))
    with pytest.raises(EvaluationError, match="evaluate with the harness that ran it"):
        subject(run_dir)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        subject(tmp_path)


ASKING = """
import sys
import time
from pathlib import Path
from typing import Any
from harness.evaluation.sealed.launch import evaluate_run

evaluate_run(Path(sys.argv[1]), threads=1, quiet=True)
"""

PLUGIN = "from pathlib import Path\nPath({marker!r}).write_text('loaded')\n"


def test_the_evaluating_process_loads_no_plugin_and_nothing_from_here(
    run_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site, here, marker = tmp_path / "site", tmp_path / "here", tmp_path / "marker"
    info = site / "eager-1.0.dist-info"
    info.mkdir(parents=True)
    here.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eager\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\neager = eager_plugin\n")
    (site / "eager_plugin.py").write_text(PLUGIN.format(marker=str(marker)))
    (here / "lm_eval.py").write_text(PLUGIN.format(marker=str(marker)))
    monkeypatch.setattr(sys, "executable", str(environment_with(tmp_path / "environment", site)))
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.chdir(here)
    evaluate_run(run_dir, threads=1)
    assert not marker.exists()
    assert (run_dir / "scores.json").is_file()
    shown = capfd.readouterr().err
    assert "answers: 24/24 rows (" in shown
    assert "rows/s" in shown
    assert "Traceback" not in shown


def test_the_evaluating_process_ends_with_the_one_that_asked(run_dir: Path) -> None:
    """It holds the run's lock: one that lived on would keep a resumed run out."""
    asking = subprocess.Popen([sys.executable, "-c", ASKING, str(run_dir)])
    end = time.monotonic() + 120
    while not (run_dir / ".evaluation.lock").exists() and time.monotonic() < end:
        time.sleep(0.05)
    children = psutil.Process(asking.pid).children()
    assert str(START) in [word for child in children for word in child.cmdline()]
    asking.kill()
    asking.wait()
    assert psutil.wait_procs(children, 10)[1] == []
    evaluate_run(run_dir, threads=1, quiet=True)
    assert (run_dir / "scores.json").is_file()


def test_a_failure_crosses_the_process_border_as_itself(run_dir: Path) -> None:
    (run_dir / "adapter" / "adapter_model.safetensors").unlink()
    (run_dir / "adapter" / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(EvaluationError, match="a pickle can run code"):
        evaluate_run(run_dir, quiet=True)


def test_a_process_that_dies_is_one_sentence(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr("harness.evaluation.sealed.evaluator.START", tmp_path / "start.py")
    with pytest.raises(EvaluationError, match="ended with code 1; finished rows are kept"):
        evaluate_run(run_dir, quiet=True)


def test_a_finished_run_is_shown_with_the_answers_of_its_own_versions(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_run(run_dir, threads=1, quiet=True)
    file = run_dir / "generations" / "key.json"
    key = read_document(ResultKey, file)
    older = key.with_values(packages={**key.packages, "transformers": "5.0.0"})
    file.write_text(pretty_json(older.model_dump(mode="json")))
    (run_dir / "result.json").write_text(json.dumps({"adapter": {"sha256": key.adapter_sha256}}))
    kept = {path: path.read_bytes() for path in (run_dir / "generations").iterdir()}
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run_dir)])
    shown = capsys.readouterr()
    assert "answered with transformers 5.0.0 (now " in shown.err
    assert "official" in shown.out
    with pytest.raises(SystemExit, match="7"):
        main(["evaluate", str(run_dir), "--device", "cpu"])
    assert "harness reproduce" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (run_dir / "generations").iterdir()} == kept


def test_the_untrained_model_answers_beside_the_run_and_not_over_it(run_dir: Path) -> None:
    evaluate_run(run_dir, threads=1, quiet=True)
    kept = {path: path.read_bytes() for path in (run_dir / "generations").iterdir()}
    folder = evaluate_run(run_dir, threads=1, untrained=True, quiet=True).folder
    assert {path: path.read_bytes() for path in (run_dir / "generations").iterdir()} == kept
    trained, untrained = (read_document(Scores, path / "scores.json") for path in (run_dir, folder))
    assert untrained.adapter_sha256 is None
    assert untrained.model_sha256 == trained.model_sha256
    assert [item.examples for item in untrained.scores] == [i.examples for i in trained.scores]
    text = gains(trained, untrained)
    for before, after in zip(untrained.scores, trained.scores, strict=True):
        assert f"{100 * (after.value - before.value):+.2f}" in text
    assert "Not training alone" not in text
    newer = untrained.with_values(packages={**untrained.packages, "peft": "9.0"})
    said = f"they were answered with peft 9.0 and {trained.packages['peft']}."
    assert gains(trained, newer).splitlines()[-1] == f"Not training alone: {said}"
