"""`harness verify`, `submit`, `import` and `publish` at the command line: codes, JSON, one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clean_submission import Submission

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "submissions/finance/pretend"


def harness(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from harness.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_clean_is_0_and_json_on_stdout(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    result = harness("verify", folder, "--json")
    assert result.returncode == 0
    report = json.loads(result.stdout)
    [verdict] = report.pop("verdicts")
    assert report == {"clean": True, "checked": [str(folder)], "findings": []}
    assert (verdict["eligible"], verdict["reasons"]) == (True, [])
    assert result.stderr == ""


def test_found_wanting_is_1_and_names_rule_place_found_and_expected(tmp_path: Path) -> None:
    submission = Submission()
    submission.record["average"] = 0.5
    folder = submission.write(tmp_path / FOLDER)
    result = harness("verify", tmp_path, "--json")
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report["clean"] is False
    [finding] = report["findings"]
    assert set(finding) == {"rule", "severity", "path", "found", "expected"}
    assert finding["rule"] == "average"
    assert finding["path"] == f"{folder}/result.json: average"
    assert finding["found"] == "0.5"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify",), 2),
        (("verify", "missing"), 8),
        (("submit", "missing"), 2),
        (("import", "missing"), 2),
        (("publish", "missing", "--repository", "a/b"), 2),
        (("leaderboard", "--submissions", "missing"), 8),
    ],
)
def test_refusals_are_one_line(
    arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = harness(*arguments)
    assert result.returncode == code
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_findings_of_a_stranger_cannot_write_to_a_terminal(tmp_path: Path) -> None:
    submission = Submission()
    submission.record["created"] = "\x1b[2J2026"
    result = harness("verify", submission.write(tmp_path / FOLDER))
    assert result.returncode == 1
    assert "\x1b" not in result.stdout


def test_checking_loads_nothing_heavy(tmp_path: Path) -> None:
    """Verify, import and leaderboard work where torch, Flower and numpy are not installed."""
    Submission().write(tmp_path / FOLDER)
    code = f"""
import sys
from pathlib import Path
from harness.submissions.check import verify
from harness.leaderboard.build import build
import harness.claims.importing.claim, harness.submissions.submit, harness.publishing.publish
verify([Path({str(tmp_path)!r})])
build(Path({str(tmp_path / "submissions")!r}))
heavy = {{"torch", "flwr", "numpy", "transformers", "peft", "lm_eval", "pandas", "datasets"}}
heavy |= {{"harness.plugins"}}
print(sorted(heavy & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_every_rule_is_listed_those_of_claims_too() -> None:
    listed = harness("verify", "--rules")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    table = (ROOT / "docs" / "submitting.md").read_text("utf-8").split("<!-- end of rules -->")[0]
    documented = re.findall(r"^\| `([a-z-]+)` \|", table.split("<!-- rules")[-1], re.M)
    assert names == documented
