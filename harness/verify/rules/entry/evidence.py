"""Rules on evidence: what a repeating command left is of this record, and complete."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.record.ladder import Evidence
from harness.verify.rule import Breach, Rule
from harness.verify.rules.run.times_and_costs import moment_of
from harness.verify.submission import Submission

REPEATED_ROUND = re.compile(r" --round[ =]([0-9]{1,9})(?!\S)")
"""Where a command says which round it repeats."""


def evidence_agrees(submission: Submission) -> Iterator[Breach]:
    """Evidence is of this record and found what the record says."""
    for item in submission.evidence.values():
        place = f"evidence/{item.level}.json"
        for name, found, expected in (*_of_this_record(submission, item), *_found_the_same(
            submission, item
        )):  # fmt: skip
            yield f"{place}: {name}", found, expected


def _of_this_record(submission: Submission, item: Evidence) -> Iterator[Breach]:
    record = submission.record
    if item.spec_digest != record.spec_digest:
        yield "spec_digest", item.spec_digest, record.spec_digest
    if item.adapter_sha256 != record.adapter.sha256:
        yield "adapter_sha256", item.adapter_sha256, record.adapter.sha256
    rungs = [rung for rung in submission.ladder if rung.level == item.level]
    for rung in rungs[:1]:
        if (item.date, item.command) != (rung.date, rung.command):
            yield "date and command", f"{item.date} {item.command}", f"{rung.date} {rung.command}"
    if moment_of(item.date) is None:
        yield "date", item.date, "a UTC time that exists"
    if not item.packages or not item.device.strip():
        yield "packages and device", "nothing", "the versions and the device of the repetition"
    for text in (item.command, item.device, *item.packages, *item.packages.values()):
        if not text.isprintable():
            yield "command, packages and device", text, "one printable line each"


def _found_the_same(submission: Submission, item: Evidence) -> Iterator[Breach]:
    expected = expectations(submission, item)
    for name, found in item.compared.items():
        if name not in expected:
            yield name, name, f"one of {', '.join(expected)[:120]}"
        elif found != expected[name] and not (item.tolerance is not None and _of_tensors(name)):
            yield name, found, expected[name]
    missing = [name for name in needed(submission, item) if name not in item.compared]
    if missing:
        yield "compared", f"no {', '.join(missing)[:120]}", "everything that was repeated"
    if not item.compared:
        yield "compared", "nothing", "what was repeated"
    if item.level == "round-replayed" and item.compared and not _asks_for_what_it_compared(item):
        yield "command", item.command, f"--round with one of {', '.join(item.compared)[:80]}"
    if item.tolerance is None:
        if item.difference is not None:
            yield "difference", item.difference, "null: without a tolerance all is equal"
        return
    if item.tolerance > submission.challenge.replay_tolerance:
        yield "tolerance", item.tolerance, submission.challenge.replay_tolerance
    if item.level in ("rescored", "re-evaluated"):
        yield "tolerance", item.tolerance, "null: answers are equal or not"
    if item.difference is None or not 0 <= item.difference <= item.tolerance:
        yield "difference", item.difference, f"0..{item.tolerance}: as measured"


def _asks_for_what_it_compared(item: Evidence) -> bool:
    """Whether the command repeats a round that the evidence has."""
    asked = REPEATED_ROUND.search(item.command)
    return asked is not None and f"round {int(asked[1])}" in item.compared


def _of_tensors(name: str) -> bool:
    """Whether a comparison is of tensors, which another machine may give in other last digits."""
    return name == "adapter" or name.startswith("round ")


def expectations(submission: Submission, item: Evidence) -> dict[str, str]:
    """Return what each comparison of an evidence file must have given."""
    record = submission.record
    values = {f"round {r.round}": r.aggregate_sha256 for r in record.federation.rounds}
    scores = {task: f"{s.correct}/{s.examples}" for task, s in submission.official.items()}
    if item.level == "round-replayed":
        return values
    if item.level in ("rescored", "re-evaluated"):
        return scores
    return values | scores | {"adapter": record.adapter.sha256}


def needed(submission: Submission, item: Evidence) -> list[str]:
    """Return the comparisons that a level cannot do without."""
    if item.level == "round-replayed":
        return []  # any one round
    return list(expectations(submission, item))


RULES = (
    Rule("evidence", "Evidence is of this record, whole, and agrees with it", "harness ladder",
         evidence_agrees, file="evidence"),
)  # fmt: skip
