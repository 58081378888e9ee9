"""How long a thousand submissions take: verified one by one, and built into the leaderboard.

    python bench/board.py [--count 1000] [--kept DIR]

Makes synthetic clean submissions of all official rows (about 400 KB each), then measures
`verify` over all of them, a first `leaderboard` build, and a second one of unchanged files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from clean_submission import Submission

from harness.leaderboard.build import build
from harness.submissions.check import verify


def make(count: int, root: Path) -> Path:
    """Write `count` submissions of unlike skill, rounds and rank under `root`."""
    for number in range(count):
        chance = random.Random(number)
        submission = Submission(
            seed=number,
            skill=0.3 + 0.6 * chance.random(),
            rounds=chance.choice([3, 12, 20]),
            rank=chance.choice([2, 4, 8]),
        )
        board = submission.record["challenge"]["id"]
        submission.write(root / "submissions" / board / f"pretend-{number:04}")
    return root / "submissions"


def measure(count: int, root: Path) -> dict[str, Any]:
    """Return the seconds of each step."""
    submissions = root / "submissions"
    if not submissions.is_dir():
        make(count, root)
    os.environ["HARNESS_CACHE"] = str(root / "cache")
    begin = time.perf_counter()
    report = verify([submissions])
    verified = time.perf_counter()
    files, refused = build(submissions)
    built = time.perf_counter()
    again, _ = build(submissions)
    rebuilt = time.perf_counter()
    assert report.clean, report.findings[:3]
    assert not refused
    assert again == files
    return {
        "submissions": len(report.checked),
        "verify_s": round(verified - begin, 2),
        "first_build_s": round(built - verified, 2),
        "build_s": round(rebuilt - built, 2),
        "page_bytes": sum(len(files[name].encode()) for name in files if name.endswith(".html")),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--kept", type=Path, help="Keep the submissions here, or use those there.")
    options = parser.parse_args()
    if options.kept is not None:
        print(json.dumps(measure(options.count, options.kept), indent=1))
        return
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(options.count, Path(temporary)), indent=1))


if __name__ == "__main__":
    main()
