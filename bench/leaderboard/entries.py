"""Synthetic submissions in which everything agrees, as many as one likes: what a full board holds.

`python bench/leaderboard/entries.py OUT --count 3000` writes `OUT/submissions`: four models, ten
teams and one that has a sixth of all entries, names of 64 characters, markup in the texts that may
hold it, and dates over most of a year.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from clean_submission import Submission, about_json

MARKUP = '<img src=x onerror="window.owned=1">'
TEAMS = ("alder", "birch", "cedar", "elm", "fir", "hazel", "juniper", "larch", "maple", "oak")
LICENCES = ("Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-NC-4.0")
MODELS = tuple(f"pretend/pretend-{name}-1m" for name in ("alpha", "beta", "gamma", "delta"))
RANKS = (2, 4, 8, 16, 32, 64)


def submission(number: int) -> tuple[str, Submission]:
    """Return one entry and its name; equal numbers give equal entries."""
    chance = random.Random(number)
    rank = chance.choice(RANKS)
    skill = min(0.9, max(0.05, chance.gauss(0.45, 0.15)))
    s = Submission(seed=number + 1, skill=skill, rounds=chance.choice((2, 3, 5)), rank=rank)
    model = chance.choice(MODELS)
    s.respec(lambda spec: spec["model"].update(hub_id=model))
    for item in s.record["data"]:
        if item["kind"] == "model":
            item["name"] = model
    s.config["base_model_name_or_path"] = model
    team = "one-team" if number % 6 == 0 else chance.choice(TEAMS)
    name = f"{team}-dora-r{rank}-{number:04d}"
    if number % 97 == 5:
        name = f"{name}-{'with-a-very-long-name-that-goes-on-and-on-and-on-'[: 63 - len(name)]}"
        name = name.rstrip("-")
    s.record["environment"]["device"]["name"] = MARKUP if number % 50 == 3 else "RTX A4000"
    when = datetime(2026, 4, 1, 12, tzinfo=UTC) + timedelta(days=number % 230)
    about: dict[str, Any] = {
        "date": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licence": chance.choice(LICENCES),
        "author": {"handle": team, "name": f"{team.title()} {MARKUP}"[:60].strip()},
        "code": "https://example.org/code",
    }
    s.extra["about.json"] = about_json(**about)
    return name, s


def main() -> None:
    """Write the submissions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    chosen = parser.parse_args()
    for number in range(chosen.count):
        name, s = submission(number)
        s.write(chosen.out / "submissions" / "finance" / name)
    print(json.dumps({"entries": chosen.count, "in": str(chosen.out / "submissions")}))


if __name__ == "__main__":
    main()
