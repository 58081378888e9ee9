"""Published code runs executed again in the sandbox: verdicts, seconds, and what is left over.

    python bench/execution.py [--run NAME] [--task NAME] [--policy auto] [--weaker] [--out FILE]

Reads `../shared/golden/code` (generations, verdicts) and `../shared/hub` (tests). Prints one line a
task: passed and published, verdicts that differ from those on file, seconds; then each difference,
and the processes, files and sockets that were not there before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "boards" / "execution"))

from published_programs import TASKS, Task, programs_of, published_runs, verdicts_of
from traces import Traces

from harness.boards.execution import Execution, execute

ROOT = Path(__file__).resolve().parent.parent


def same(found: str, filed: str) -> bool:
    """Return whether a verdict says what the one on file says, whose words are others."""
    word = filed.removeprefix("failed ")
    if filed in ("passed", "timed out"):
        return found == filed
    if filed == "build failed":
        return found.startswith("failed: does not compile")
    if word.startswith("-"):
        return found.startswith(f"failed: signal {word[1:]} ")
    if word.isdigit():
        return found.startswith("failed: ") and "signal" not in found
    return found.removeprefix("failed: ").split(":")[0] == word


def line(run: str, task: Task, done: Execution, expected: list[str]) -> dict[str, Any]:
    """Return one task's figures."""
    pairs = list(zip(done.verdicts, expected, strict=True))
    attempts = [attempt for verdict in done.verdicts for attempt in verdict.attempts]
    return {
        "run": run,
        "task": task.name,
        "programs": len(pairs),
        "passed": done.passed,
        "passed_on_other_machines": done.passed_on_other_machines,
        "published": sum(one == "passed" for one in expected),
        "wall_s": round(done.wall_s, 1),
        "cpu_s": round(sum(attempt.cpu_s for attempt in attempts), 1),
        "run_again": sum(len(verdict.attempts) == 2 for verdict in done.verdicts),
        "saved_by_running_again": sum(
            len(verdict.attempts) == 2 and verdict.outcome != "timed out"
            for verdict in done.verdicts
        ),
        "differences": [
            {
                "number": number,
                "found": str(found),
                "filed": filed,
                "attempts": [(one.wall_s, one.cpu_s) for one in found.attempts],
            }
            for number, (found, filed) in enumerate(pairs)
            if not same(str(found), filed)
        ],
    }


def main() -> None:
    """Execute and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", help="only this published run")
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--policy", choices=["required", "auto"], default="required")
    parser.add_argument("--weaker", action="store_true", help="without namespaces")
    parser.add_argument("--out", type=Path, help="also write the figures and verdicts as JSON")
    options = parser.parse_args()
    before = Traces.now()
    print(f"load {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} processors")
    figures = []
    for folder in published_runs(ROOT.parent / "shared" / "golden"):
        begin = time.monotonic()
        for task in TASKS:
            if options.run not in (None, folder.name) or options.task not in (None, task.name):
                continue
            done = execute(
                programs_of(folder, task, ROOT.parent / "shared" / "hub"),
                task.language,
                policy=options.policy,
                namespaces=not options.weaker,
            )
            found = line(folder.name, task, done, verdicts_of(folder, task))
            print({key: value for key, value in found.items() if key != "differences"}, flush=True)
            for difference in found["differences"]:
                print("   ", difference)
            figures.append(found | {"execution": done.model_dump(mode="json")})
        print(f"{folder.name}: {time.monotonic() - begin:.1f} s", flush=True)
    if figures:
        print(figures[-1]["execution"]["isolation"], figures[-1]["execution"]["toolchain"])
    print("left over:", Traces.left_since(before) or "nothing", "in", tempfile.gettempdir())
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
