"""Programs of published runs get the verdicts on file: one of each kind.

`bench/execution.py` executes all of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from published_programs import TASKS, Task, programs_of, published_runs, verdicts_of

from harness.boards.execution import execute

SHARED = Path(__file__).resolve().parents[4] / "shared"
TOOLS = {"python": None, "javascript": "node", "cpp": "g++"}


@pytest.mark.skipif(not (SHARED / "golden" / "code").is_dir(), reason="no published runs here")
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_published_programs_pass_and_fail_as_on_file(task: Task) -> None:
    tool = TOOLS[task.language]
    if tool and shutil.which(tool) is None:
        pytest.skip(f"no {tool} on PATH")
    programs, expected, seen = [], [], {"timed out", "failed ModuleNotFoundError"}
    for run in published_runs(SHARED / "golden"):
        whole = programs_of(run, task, SHARED / "hub")
        for number, verdict in enumerate(verdicts_of(run, task)):
            if verdict not in seen:
                seen.add(verdict)
                programs.append(whole[number])
                expected.append(verdict == "passed")
    done = execute(programs, task.language, policy="auto")
    assert [verdict.passed for verdict in done.verdicts] == expected
