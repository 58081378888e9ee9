"""The rule on whose code ran."""

from __future__ import annotations

from collections.abc import Iterator

from harness.planning.whose_code import own_code
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission


def stated_code(submission: Submission) -> Iterator[Breach]:
    """A record says whose code ran; `declared` is what needs audited plugins and data alone."""
    found, expected = submission.record.own_code, own_code(submission.record.spec)
    if found is not None and found != expected:
        yield "own_code", list(found), f"{list(expected)}: by the plugins' digests"
    # Each of these came with a later form of records than the one before it.
    isolation, energy = submission.record.isolation, submission.record.energy
    if found is None and (isolation is not None or energy is not None):
        yield "own_code", "null", f"{list(expected)}: records with isolation or energy state it"
    if isolation is None and energy is not None:
        yield "isolation", "null", "what held the plugins' code: records with energy state it"


RULES = (
    Rule("own-code", "Code of an entrant's own is named", "harness/planning/audited.json",
         stated_code),
)  # fmt: skip
