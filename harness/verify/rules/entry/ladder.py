"""Rules on the ladder: each rung was earned and points at what proves it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from harness.record.file_names import LADDER
from harness.record.ladder import Rung, earned_by, score_digest
from harness.verify.rule import Breach, Rule
from harness.verify.rules.run.times_and_costs import CLOCK_SKEW, moment_of
from harness.verify.submission import Submission


def earned(submission: Submission) -> Iterator[Breach]:
    """Each rung was earned by its command, after the run, and points at what proves it."""
    seen: set[str] = set()
    rederivable = submission.protocol.rederivable
    for index, rung in enumerate(submission.ladder):
        place = f"[{index}] {rung.level}"
        if rung.level == "claimed":
            yield place, "claimed", "no rung: every record starts there"
            continue
        if rung.level in seen:
            yield place, "this level again", "one rung a level: the last that was earned"
        seen.add(rung.level)
        command, option = earned_by(rung.level, rederivable)
        if not rung.command.startswith(f"{command} ") or option not in rung.command:
            yield f"{place}.command", rung.command, f"{command}{option} ..., as it was typed"
        yield from _dated(submission, rung, place)
        name = f"evidence/{rung.level}.json"
        if rung.level == "rescored" and rederivable:
            expected = score_digest(submission.official)
            if name in submission.digests:
                yield place, name, "no evidence: everybody recounts these answers"
        elif name not in submission.digests:
            yield place, f"no {name}", "the evidence that the command left"
            continue
        else:
            expected = submission.digests[name][1]
        if rung.digest != expected:
            yield f"{place}.digest", rung.digest, expected
    for name in submission.digests:
        if name.startswith("evidence/") and name[len("evidence/") : -len(".json")] not in seen:
            yield name, "evidence of no rung", "a rung for it in ladder.json"


def _dated(submission: Submission, rung: Rung, place: str) -> Iterator[Breach]:
    moment, created = moment_of(rung.date), moment_of(submission.record.created)
    if moment is None:
        yield f"{place}.date", rung.date, "a UTC time that exists"
    elif created is not None and moment < created - CLOCK_SKEW:
        yield f"{place}.date", rung.date, f"after the run: {submission.record.created}"
    elif moment > datetime.now(UTC) + CLOCK_SKEW:
        yield f"{place}.date", rung.date, "not in the future"


RULES = (
    Rule("ladder", "A rung is earned by its command and has evidence", "harness ladder", earned,
         file=LADDER),
)  # fmt: skip
