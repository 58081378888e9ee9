"""Writes `shingles.bin` of each board that can be run: digests of the evaluation rows' words.

    python bench/shingles.py --mirror DIR [--check]

DIR holds the evaluation sets as `harness run --mirror` wants them. A set that is not there is left
out and named. With --check nothing is written; the exit code is 1 where a file would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from harness.boards.challenge import challenge_names, load_challenge
from harness.boards.registry import protocol_of
from harness.boards.shingles import SHINGLES, make_shingles, windows
from harness.errors import HarnessError

BOARDS = Path(__file__).resolve().parent.parent / "harness" / "boards"


def rows_of(name: str, mirror: Path) -> tuple[list[str], list[str]]:
    """Return the texts of a board's evaluation rows, and the sets that are not in the mirror."""
    challenge = load_challenge(name)
    texts, missing = [], []
    for item in challenge.evaluation:
        files = [mirror / "datasets" / item.dataset / file for file in item.files]
        if not all(file.is_file() for file in files):
            missing.append(item.task)
            continue
        try:
            official = protocol_of(challenge).rows(item.task, files)
        except HarnessError as error:
            missing.append(f"{item.task} ({error})")
            continue
        texts += [text for text, _ in official.examples]
    return texts, missing


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    changed = False
    for name in challenge_names():
        texts, missing = rows_of(name, options.mirror)
        data = make_shingles(texts)
        path = BOARDS / name.replace("-", "_") / SHINGLES
        same = path.is_file() and path.read_bytes() == data
        changed = changed or not same
        if data and not same and not options.check:
            path.write_bytes(data)
        result[name] = {
            "rows": len(texts),
            "rows_too_short": sum(not list(windows(text)) for text in texts),
            "bytes": len(data),
            "sets_not_there": missing,
            "changed": not same,
        }
    print(json.dumps(result, indent=1))
    sys.exit(1 if options.check and changed else 0)


if __name__ == "__main__":
    main()
