"""Rules on eligibility: recomputed from the record, never believed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.planning.eligibility import exercise_because, ineligible_because
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission


def budget(submission: Submission) -> Iterator[Breach]:
    """The budget was kept; one byte more breaks it."""
    found = submission.record.communication.bytes_total
    expected = submission.challenge.communication.limit_bytes
    if found > expected:
        yield "communication.bytes_total", found, f"at most {expected}"


def eligible(submission: Submission) -> Iterator[Breach]:
    """The record is eligible exactly when nothing speaks against it, and says what does."""
    record = submission.record
    reasons = ineligible_because(record.spec, submission.challenge, record.data, record.environment)
    if record.ineligible_because != reasons:
        yield "ineligible_because", list(record.ineligible_because), list(reasons)
    if record.eligible is not (not record.ineligible_because):
        yield "eligible", record.eligible, not record.ineligible_because


def whole(submission: Submission) -> Iterator[Breach]:
    """What is filed is a run on the challenge's data and on every row, not an exercise."""
    if not submission.is_submission:
        return
    for reason in exercise_because(submission.record.spec):
        yield "spec", reason, "a run of the whole recipe, evaluated on every row"


RULES = (
    Rule("budget", "The communication budget was kept",
         "template strategy.py: 200,000 MB, strict >", budget),
    Rule("eligible", "Eligibility follows from the record", "harness eligibility rules", eligible),
    Rule("whole-run", "What is filed is no smoke run and no part of the rows",
         "harness eligibility rules", whole),
)  # fmt: skip
