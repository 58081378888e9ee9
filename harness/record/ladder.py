"""The verification ladder: what an entry's numbers are worth, as data.

    claimed         somebody says so
    rescored        every score recounted from the generations, by whoever runs `harness verify`;
                    where outputs are programs, every one executed again by `harness rescore`
    re-evaluated    another machine generated again from the adapter and got these scores
    round-replayed  one round run again gave the same aggregate
    re-run          the whole run again gave the same adapter and scores

A rung is a line of `ladder.json` written by the command that earned it, with the evidence file it
left under `evidence/`. The first two need no evidence where everybody can derive them from the
files; verdicts on programs follow from no file, so there the second one needs it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.document import Document, canonical_json, sha256_text
from harness.document.exact import parse_exactly
from harness.errors import RecordError
from harness.record.score import Score

Level = Literal["claimed", "rescored", "re-evaluated", "round-replayed", "re-run"]

LEVELS: tuple[Level, ...] = ("claimed", "rescored", "re-evaluated", "round-replayed", "re-run")

COMMANDS: dict[str, str] = {
    "rescored": "harness submit",
    "re-evaluated": "harness reproduce",
    "round-replayed": "harness reproduce",
    "re-run": "harness reproduce",
}
"""Level -> the command that earns it, where scores follow from the generations."""
OPTIONS = {"re-evaluated": " --evaluation", "round-replayed": " --round"}
"""Level -> the option by which its command earns no other."""
EXECUTED = ("harness rescore", " --execute")
"""The command, and its option, that earns `rescored` where outputs are programs."""


class Rung(Document):
    """One earned level."""

    level: Level
    date: str
    """UTC, ISO 8601."""
    command: str
    digest: str
    """rescored: `score_digest` of the record; else sha256 of `evidence/<level>.json`."""


class Evidence(Document):
    """What a repeating command leaves: what it repeated, where, and what came out."""

    level: Level
    date: str
    command: str
    spec_digest: str
    adapter_sha256: str
    compared: dict[str, str]
    """What was compared -> what the repetition gave: `round 3` -> aggregate digest, `adapter` ->
    file digest, `fpb` -> `865/1212`."""
    packages: dict[str, str]
    device: str
    tolerance: float | None = None
    """None: equal byte for byte."""
    difference: float | None = None
    """With a tolerance: the largest relative difference of a tensor (L2) that was measured."""


def earned_by(level: Level, rederivable: bool) -> tuple[str, str]:
    """Return the command that earns a level, and the option that it must have, if any.

    Args:
        level: not `claimed`, which every record has.
        rederivable: whether the board's scores follow from the generations alone.
    """
    if level == "rescored" and not rederivable:
        return EXECUTED
    return COMMANDS[level], OPTIONS.get(level, "")


def score_digest(official: Mapping[str, Score]) -> str:
    """Return the digest of what a recount establishes: counts and generations of each task."""
    return sha256_text(
        canonical_json(
            [
                [task, score.correct, score.examples, score.generations_sha256]
                for task, score in sorted(official.items())
            ]
        )
    )


def parse_ladder(value: Any, where: str) -> tuple[Rung, ...]:
    """Return the rungs of a parsed `ladder.json`.

    Raises:
        RecordError: not a list of rungs.
    """
    if not isinstance(value, list) or len(value) > 100:
        raise RecordError(f"{where}: expected a list of at most 100 rungs")
    return tuple(parse_exactly(Rung, item, f"{where}[{i}]") for i, item in enumerate(value))
