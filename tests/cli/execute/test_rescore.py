"""`harness rescore`: published accuracies come out exactly; other rows are refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.cli.execute.rescore import command
from harness.errors import EvaluationError

PUBLISHED = {
    ("1.7B", "fpb"): 0.7136963696369637,
    ("1.7B", "fiqa"): 0.5657894736842105,
    ("1.7B", "tfns"): 0.757537688442211,
    ("360M", "fpb"): 0.4174917491749175,
    ("360M", "fiqa"): 0.6907894736842105,
    ("360M", "tfns"): 0.25251256281407036,
}


def published(golden: Path, size: str, task: str) -> Path:
    return golden / f"ethicalabs-smollm2-{size}" / f"generation_{task}_fl.jsonl"


@pytest.mark.parametrize(("size", "task"), PUBLISHED)
def test_published_accuracies_come_out_exactly(golden: Path, size: str, task: str) -> None:
    path = published(golden, size, task)
    done = CliRunner().invoke(command, [task, str(path), "--json"], catch_exceptions=False)
    result = json.loads(done.stdout)
    assert result["accuracy"] == PUBLISHED[size, task]
    text = (path.parent / f"acc_{task}_fl.txt").read_text()
    assert text == f"Accuracy: {result['accuracy']}. "
    assert result["invalid_rate"] is None
    assert {"task", "examples", "macro_f1", "mcc", "stderr"} <= set(result)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from harness.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "rescore", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_smoke_run_s_answers_are_told_from_wrong_ones(tmp_path: Path) -> None:
    (tmp_path / "generations").mkdir()
    (tmp_path / "spec.json").write_text('{"smoke": true}')
    (tmp_path / "generations" / "fpb.jsonl").write_text("")
    for named in (tmp_path, tmp_path / "generations" / "fpb.jsonl"):
        done = run("fpb", str(named))
        assert done.returncode == 7
        assert f"{tmp_path}: a smoke run" in done.stderr


def test_a_file_of_another_task_is_called_by_its_name(golden: Path) -> None:
    done = run("fiqa", str(published(golden, "360M", "fpb")))
    assert done.returncode == 7
    assert "holds rows of fpb (1210 prompts)" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "change", "expected"),
    [
        (17, lambda lines: lines.pop(17), "row 17: missing"),
        (17, lambda lines: lines.insert(17, lines[40]), "row 17: extra"),
        (17, lambda lines: lines.insert(100, lines.pop(17)), "row 17: "),
        (
            17,
            lambda lines: lines.__setitem__(17, lines[17].replace("Input: ", "Input: x", 1)),
            "row 17: its prompt differs",
        ),
        (17, lambda lines: lines.__setitem__(17, lines[17][:-9]), "line 18: not JSON"),
    ],
)
def test_an_altered_published_file_is_refused(
    golden: Path, tmp_path: Path, place: int, change: object, expected: str
) -> None:
    lines = published(golden, "1.7B", "fpb").read_text().splitlines()
    change(lines)  # type: ignore[operator]
    altered = tmp_path / "generations.jsonl"
    altered.write_text("\n".join(lines) + "\n")
    done = run("fpb", str(altered))
    assert done.returncode in (7, 8)
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_task_is_a_usage_error(tmp_path: Path) -> None:
    done = run("fbp", str(tmp_path / "none"))
    assert done.returncode == 2
    assert 'did you mean "fpb"?' in done.stderr


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = run("fpb", str(tmp_path / "none.jsonl"))
    assert done.returncode == 8
    assert "no such file" in done.stderr
    assert done.stderr.count("\n") == 1


def test_re_scoring_needs_no_heavy_package(golden: Path) -> None:
    code = (
        "import sys; from harness.cli import cli;"
        f"cli.main(['rescore', 'tfns', {str(published(golden, '360M', 'tfns'))!r}],"
        " standalone_mode=False);"
        "heavy = {'torch', 'numpy', 'datasets', 'pandas', 'lm_eval'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_submission_s_own_generations_give_its_own_score(tmp_path: Path) -> None:
    """By the folder or by the file: rows are named by digest, prompts left out."""
    folder = Submission(skill=0.7).write(tmp_path / "submissions/finance/one")
    record = json.loads((folder / "result.json").read_text())
    scores = {item["task"]: item for item in record["scores"]}
    for task, score in scores.items():
        for path in (folder, folder / f"generations/{task}.jsonl"):
            done = CliRunner().invoke(command, [task, str(path), "--json"], catch_exceptions=False)
            found = json.loads(done.stdout)
            assert (found["correct"], found["examples"]) == (score["correct"], score["examples"])
            assert found["rows"] == "official"
            assert found["invalid_rate"] is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"index": 0, "row": "', '"index": 0, "row": "0', "row 0"),
        ('"label": "positive"', '"label": "negative"', "the row was edited"),
        ('"target": "positive"', '"target": "negative"', "the row was edited"),
        (
            '"label": "positive", "output"',
            '"label": "positive", "loglikelihoods"',
            "log-likelihoods",
        ),
    ],
)
def test_an_edited_row_of_a_submission_is_named(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    folder = Submission(skill=1.0).write(tmp_path / "submissions/finance/one")
    file = folder / "generations/fpb.jsonl"
    file.write_text(file.read_text().replace(old, new, 1))
    done = run("fpb", str(file))
    assert done.returncode == 7
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_of_another_board_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "generations").mkdir()
    for name in ("mbpp", "mbpp.loglikelihood", "humaneval"):
        (tmp_path / "generations" / f"{name}.jsonl").write_text("")
    for task in ("finance", "fiqa", "medical"):
        done = CliRunner().invoke(command, [task, str(tmp_path)])
        assert isinstance(done.exception, EvaluationError)
        assert "there are those of mbpp, humaneval, of the board code" in str(done.exception)
