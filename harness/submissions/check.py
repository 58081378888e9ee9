"""A path becomes findings: files are read, once and within bounds, and every rule is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.claims.check import CLAIM_RULES, check_claim
from harness.claims.record import ClaimRecord
from harness.submissions.parallel import each
from harness.submissions.verdict import verdict_of
from harness.verify.all_rules import RECORD_RULES, RULES
from harness.verify.read_submission import read_submission
from harness.verify.report import Finding, Report, Verdict
from harness.verify.submission import Submission
from harness.verify.targets import Target, find_targets

EVERY_RULE = (*RULES, *CLAIM_RULES)
"""Every rule by which a path may be judged: what `harness verify --rules` lists and
`docs/submitting.md` shows."""


@dataclass
class Checked:
    """One target with what was found."""

    target: Target
    submission: Submission | None
    findings: list[Finding] = field(default_factory=list)
    claim: ClaimRecord | None = None
    digests: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """File -> (bytes, sha256) of what was read."""

    @property
    def clean(self) -> bool:
        """Whether there is no finding of severity `error`."""
        known = self.submission is not None or self.claim is not None
        return known and not any(item.severity == "error" for item in self.findings)

    @property
    def verdict(self) -> Verdict | None:
        """What a run or submission comes to; None of a claim, or where no record could be read."""
        if self.submission is None:
            return None
        return verdict_of(self.submission, self.target, self.clean)


def verify(paths: Iterable[Path]) -> Report:
    """Check every record and submission under `paths`.

    Raises:
        RecordError: a path has nothing to check.
    """
    targets = [target for path in paths for target in find_targets(path)]
    results = each(judgement_of, targets)
    return Report.of(
        (target.name for target in targets),
        (finding for findings, _ in results for finding in findings),
        (verdict for _, verdict in results if verdict is not None),
    )


def judgement_of(target: Target) -> tuple[list[Finding], Verdict | None]:
    """Check one target and return its findings, and what it comes to where it is a run."""
    checked = check(target)
    return checked.findings, checked.verdict


def check(target: Target) -> Checked:
    """Check one record, submission folder, run directory or claim."""
    if target.kind == "claim":
        claim, digests, findings = check_claim(target)
        return Checked(target, None, findings, claim, digests)
    submission, files = read_submission(target)
    findings = [item.finding(target) for item in files.refusals]
    if submission is not None:
        for rule in RECORD_RULES:
            findings.extend(rule.findings(submission))
    return Checked(target, submission, findings, digests=files.digests)
