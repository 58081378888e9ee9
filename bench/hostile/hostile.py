"""Strangers' submissions: random damage must give findings, never a traceback; and every change of
meaning must be found.

    python bench/hostile/hostile.py fuzz [--count 10000]   damaged submissions, claims and projects
    python bench/hostile/hostile.py mutate [--count 2000]  single-field changes: how many are found
    python bench/hostile/hostile.py cost                   dear files: seconds and MB of a check
    python bench/hostile/hostile.py said                   what is said, for docs/trust.md

All start from the synthetic clean submission of the tests. Output: one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from hostile_cost import cost
from hostile_fuzz import fuzz
from hostile_mutate import mutate
from hostile_said import said


def main() -> None:
    """Run one of the four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fuzz", "mutate", "cost", "said"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs: dict[str, Callable[[int, int], dict[str, Any]]] = {
        "fuzz": fuzz, "mutate": mutate, "cost": cost, "said": said,
    }  # fmt: skip
    count = options.count or {"fuzz": 10_000, "mutate": 2_000, "cost": 1, "said": 1}[options.what]
    print(json.dumps(runs[options.what](count, options.seed), indent=1))


if __name__ == "__main__":
    main()
