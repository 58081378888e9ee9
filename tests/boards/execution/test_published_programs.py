"""Programs of published runs get the verdicts on file: a sample; `bench/execution.py` has all."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from published_programs import TASKS, Task, programs_of, published_runs, verdicts_of

from harness.boards.execution import execute

SHARED = Path(__file__).resolve().parents[4] / "shared"
TOOLS = {"python": None, "javascript": "node", "cpp": "g++"}
EACH = 1
"""How many programs of each kind of verdict and run."""


@pytest.mark.skipif(not (SHARED / "golden" / "code").is_dir(), reason="no published runs here")
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_published_programs_pass_and_fail_as_on_file(task: Task) -> None:
    tool = TOOLS[task.language]
    if tool and shutil.which(tool) is None:
        pytest.skip(f"no {tool} on PATH")
    programs, expected = [], []
    for run in published_runs(SHARED / "golden"):
        kinds = defaultdict(list)
        for number, verdict in enumerate(verdicts_of(run, task)):
            kinds[verdict].append(number)
        whole = programs_of(run, task, SHARED / "hub")
        for verdict, numbers in sorted(kinds.items()):
            if verdict not in ("timed out", "failed ModuleNotFoundError"):
                programs += [whole[number] for number in numbers[:EACH]]
                expected += [verdict == "passed"] * len(numbers[:EACH])
    done = execute(programs, task.language, policy="auto")
    assert [verdict.passed for verdict in done.verdicts] == expected
