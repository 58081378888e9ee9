"""Executes Python programs and prints their verdicts; started by a test as an ordinary user.

Reads `path`, `programs`, `mark` and `namespaces` as JSON from standard input.
"""

from __future__ import annotations

import json
import sys

job = json.load(sys.stdin)
sys.path[:0] = job["path"]

from traces import mark_sandboxes  # noqa: E402 - the path comes first

from harness.boards.execution import languages  # noqa: E402
from harness.boards.execution.attempts import execute  # noqa: E402
from harness.boards.execution.sandbox import Sandbox  # noqa: E402

Sandbox._launch = mark_sandboxes(job["mark"])
languages.PYTHON_WALL_S = 1.0
languages.PYTHON_GRACE_S = 1.0
languages.PATIENCE = 10
done = execute(job["programs"], "python", policy="auto", namespaces=job["namespaces"])
print(
    json.dumps(
        {
            "verdicts": [str(verdict) for verdict in done.verdicts],
            "isolation": done.isolation.model_dump(mode="json"),
        }
    )
)
