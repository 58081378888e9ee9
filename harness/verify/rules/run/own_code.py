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


RULES = (
    Rule("own-code", "Code of an entrant's own is named", "harness/planning/audited.json",
         stated_code),
)  # fmt: skip
