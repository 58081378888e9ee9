"""Federate the tiny run in this process and print what came of it as one line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tiny_run import tiny_run

from harness.federation.engine import federate
from harness.federation.options import Options


def main(model: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Federate, or resume; `options` are fields of `Options`, and `recipe`."""
    recipe = str(options.pop("recipe", "fedavg"))
    run = tiny_run(model, recipe, supernodes=4)
    try:
        outcome = federate(run.job, out, Options(**options))
    except BaseException as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {
        "digests": [item.digest for item in outcome.rounds],
        "attempts": [[client.attempts for client in item.clients] for item in outcome.rounds],
        "roster": outcome.roster_sha256,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))))
