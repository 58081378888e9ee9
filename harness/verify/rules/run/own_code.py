"""Rules on whose code ran, and on what held it."""

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


def isolation(submission: Submission) -> Iterator[Breach]:
    """What held plugin code is what its policy and what is missing leave."""
    found = submission.record.isolation
    if found is None:
        return
    held, place = found.federation, "isolation.federation"
    strong = held.complete and not held.missing
    if found.policy == "required" and not strong:
        yield "isolation.policy", "required", "a machine on which nothing was open or missing"
    if found.policy == "off":
        for name in ("files", "network", "signals"):
            if getattr(held, name) != "open":
                yield f"{place}.{name}", getattr(held, name), "open: the policy was off"
    elif not held.complete and not held.missing:
        yield f"{place}.missing", "nothing", "why something was open"
    if (held.files == "Landlock") != (held.landlock > 0):
        yield f"{place}.landlock", held.landlock, f"what fits files: {held.files}"


RULES = (
    Rule("own-code", "Code of an entrant's own is named", "harness/planning/audited.json",
         stated_code),
    Rule("isolation", "What held plugin code does not contradict itself", "harness record format",
         isolation),
)  # fmt: skip
