"""The verification ladder: what an entry's numbers are worth, as data.

    claimed         somebody says so
    rescored        every score recounted from the generations, by whoever runs `harness verify`
    re-evaluated    another machine generated again from the adapter and got these scores
    round-replayed  one round run again gave the same aggregate
    re-run          the whole run again gave the same adapter and scores

A rung is a line of `ladder.json` written by the command that earned it, with the evidence file it
left under `evidence/`. The first two need no evidence: everybody can derive them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from harness.document import Document, canonical_json, parse_document, sha256_text
from harness.errors import RecordError
from harness.record import Score
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

Level = Literal["claimed", "rescored", "re-evaluated", "round-replayed", "re-run"]

LEVELS: tuple[Level, ...] = ("claimed", "rescored", "re-evaluated", "round-replayed", "re-run")

COMMANDS: dict[str, str] = {
    "rescored": "harness submit",
    "re-evaluated": "harness evaluate",
    "round-replayed": "harness reproduce",
    "re-run": "harness reproduce",
}
"""Level -> the command that earns it."""


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
    return tuple(parse_document(Rung, item, f"{where}[{i}]") for i, item in enumerate(value))


def earned(subject: Subject) -> Iterator[Breach]:
    """Each rung was earned by its command and points at what proves it."""
    for index, rung in enumerate(subject.ladder):
        place = f"[{index}] {rung.level}"
        if rung.level == "claimed":
            yield place, "claimed", "no rung: every record starts there"
            continue
        expected = COMMANDS[rung.level]
        if not rung.command.startswith(expected):
            yield place, rung.command, f"{expected} ..."
        if rung.level == "rescored":
            if rung.digest != score_digest(subject.official):
                yield f"{place}.digest", rung.digest, score_digest(subject.official)
            continue
        name = f"evidence/{rung.level}.json"
        if name not in subject.digests:
            yield place, f"no {name}", "the evidence that the command left"
        elif subject.digests[name][1] != rung.digest:
            yield f"{place}.digest", rung.digest, subject.digests[name][1]
    for name in subject.digests:
        if name.startswith("evidence/"):
            level = name[len("evidence/") : -len(".json")]
            if level not in [rung.level for rung in subject.ladder]:
                yield name, "evidence of no rung", "a rung for it in ladder.json"


def evidence_agrees(subject: Subject) -> Iterator[Breach]:
    """Evidence is of this record and found what the record says."""
    for item in subject.evidence:
        record = subject.record
        place = f"evidence/{item.level}.json"
        if item.spec_digest != record.spec_digest:
            yield f"{place}: spec_digest", item.spec_digest, record.spec_digest
        if item.adapter_sha256 != record.adapter.sha256:
            yield f"{place}: adapter_sha256", item.adapter_sha256, record.adapter.sha256
        expected = expectations(subject, item)
        if not item.compared:
            yield f"{place}: compared", "nothing", "what was repeated"
        for name, found in item.compared.items():
            if name not in expected:
                yield f"{place}: {name}", name, f"one of {', '.join(expected)[:120]}"
            elif item.tolerance is None and found != expected[name]:
                yield f"{place}: {name}", found, expected[name]
        if item.tolerance is not None and item.tolerance > subject.challenge.replay_tolerance:
            yield f"{place}: tolerance", item.tolerance, subject.challenge.replay_tolerance


def expectations(subject: Subject, item: Evidence) -> dict[str, str]:
    """Return what each comparison of an evidence file must have given."""
    record = subject.record
    values = {f"round {r.round}": r.aggregate_sha256 for r in record.federation.rounds}
    scores = {task: f"{s.correct}/{s.examples}" for task, s in subject.official.items()}
    if item.level == "round-replayed":
        return values
    if item.level == "re-evaluated":
        return scores
    return values | scores | {"adapter": record.adapter.sha256}


RULES = (
    Rule("ladder", "A rung is earned by its command and has evidence", "harness ladder", earned,
         file="ladder.json"),
    Rule("evidence", "Evidence is of this record and agrees with it", "harness ladder",
         evidence_agrees, file="evidence"),
)  # fmt: skip
