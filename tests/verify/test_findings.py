"""What a finding says: the place, what was found and what is expected, for a breach of each rule.

`python tests/verify/test_findings.py --write` writes `findings.json`; read the change before it is
committed: strangers act on these words.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clean_submission import Submission
from test_limits import LIMITS
from test_rules import FIXTURES, FOLDER

from harness.submissions.check import verify

TOLD = Path(__file__).resolve().parent / "findings.json"
MOVING = {"a day into the future", "a rung in the future"}
"""Limits whose findings name the present."""
CASES = FIXTURES | {name: item.outside for name, item in LIMITS.items() if name not in MOVING}


def findings(name: str, folder: Path) -> list[list[str]]:
    """Return severity, place, found and expected of each finding."""
    submission = Submission()
    CASES[name](submission)
    root = submission.write(folder / FOLDER)
    return [
        [f"{item.severity} [{item.rule}]", item.path.removeprefix(f"{root}/"),
         steady(item.found), steady(item.expected)]
        for item in verify([root]).findings
    ]  # fmt: skip


def steady(text: str) -> str:
    """Return a text whose long decimals are cut: the last digits are a machine's own."""
    return re.sub(r"(\d\.\d{10})\d+", r"\1...", text)


@pytest.mark.parametrize("name", CASES)
def test_a_finding_says_where_what_and_what_instead(name: str, tmp_path: Path) -> None:
    assert findings(name, tmp_path) == json.loads(TOLD.read_text("utf-8"))[name]


def test_every_case_is_told() -> None:
    assert list(json.loads(TOLD.read_text("utf-8"))) == list(CASES)


if __name__ == "__main__" and "--write" in sys.argv:
    told = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            told[case] = findings(case, Path(temporary))
    lines = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False, indent=1)}"
             for name, value in told.items()]  # fmt: skip
    TOLD.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
