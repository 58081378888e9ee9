"""A path becomes findings: files are read, once and within bounds, and every rule is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.claims.check import CLAIM_RULES, check_claim
from harness.claims.record import ClaimRecord
from harness.submissions.marks import Filed, of_claim, of_run
from harness.submissions.once import ONCE, copied, copies, folders_of, neighbours
from harness.submissions.parallel import each
from harness.submissions.strays import STRAYS, strays
from harness.submissions.verdict import verdict_of
from harness.verify.all_rules import RECORD_RULES, RULES
from harness.verify.read_submission import read_submission
from harness.verify.report import Finding, Report, Verdict
from harness.verify.submission import Submission
from harness.verify.targets import Target, find_targets, refuse_tree_of_runs, tree_of

EVERY_RULE = (*RULES, *CLAIM_RULES, ONCE, STRAYS)
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
    unread: tuple[str, ...] = ()
    """Why other files were not; empty of a claim."""

    @property
    def clean(self) -> bool:
        """Whether there is no finding of severity `error`."""
        known = self.submission is not None or self.claim is not None
        return known and not any(item.severity == "error" for item in self.findings)

    @property
    def filed(self) -> Filed | None:
        """What tells an entry from all others of its tree; None of what is not filed."""
        found = None
        if self.claim is not None:
            found = of_claim(self.claim, self.target)
        elif self.submission is not None:
            found = of_run(self.submission, self.target)
        return None if found is None else replace(found, clean=self.clean)

    @property
    def verdict(self) -> Verdict | None:
        """What a run or submission comes to; None of a claim, or where no record could be read."""
        if self.submission is None:
            return None
        return verdict_of(self.submission, self.target, self.clean)


@dataclass(frozen=True)
class Judgement:
    """What is kept of a check: small, for it crosses from process to process."""

    findings: list[Finding]
    verdict: Verdict | None
    filed: Filed | None


def verify(paths: Iterable[Path]) -> Report:
    """Check every record and submission under `paths`, and that no entry is filed twice.

    Raises:
        RecordError: a path has nothing to check.
        UsageError: run directories lie in a path that is none.
    """
    found = {path: list(find_targets(path)) for path in paths}
    for path, items in found.items():
        refuse_tree_of_runs(path, items)
    once: dict[tuple[Path, str], Target] = {}  # Of paths that overlap each thing is checked once.
    for target in (target for items in found.values() for target in items):
        once.setdefault((target.record.absolute(), target.kind), target)
    targets = list(once.values())
    results = each(judgement_of, targets)
    twice = filed_twice(targets, [result.filed for result in results])
    findings = [
        finding
        for target, result in zip(targets, results, strict=True)
        for finding in (*result.findings, *twice.get(target.name, ()))
    ]
    findings += [item for path, items in found.items() for item in strays(path, items)]
    return Report.of(
        (target.name for target in targets),
        findings,
        (result.verdict for result in results if result.verdict is not None),
    )


def judgement_of(target: Target) -> Judgement:
    """Check one target and keep what is said of it."""
    checked = check(target)
    return Judgement(checked.findings, checked.verdict, checked.filed)


def filed_twice(
    targets: Sequence[Target], filed: Sequence[Filed | None]
) -> dict[str, list[Finding]]:
    """Return name of a target -> findings that it is another entry of its tree again.

    The other one need not be a target: one folder is compared with the whole tree that it lies in.

    Args:
        targets: that were checked.
        filed: what each is known by, in the same order.
    """
    trees: dict[Path | None, dict[Path, Filed]] = {}
    for target, entry in zip(targets, filed, strict=True):
        if entry is not None:
            trees.setdefault(tree_of(target), {})[entry.folder] = entry
    findings: dict[str, list[Finding]] = {}
    for tree, entries in trees.items():
        others = [] if tree is None else _others(tree, entries)
        findings |= copies([*entries.values(), *others], tree)
    return findings


def _others(tree: Path, entries: Mapping[Path, Filed]) -> list[Filed]:
    """Return the entries of a tree that were not checked and share something with one that was."""
    return [
        item.filed
        for folder in neighbours(list(entries.values()), folders_of(tree, entries.keys()))
        for item in map(check, find_targets(folder))
        if item.filed is not None
    ]


def twins_of(entry: Filed, tree: Path) -> list[Finding]:
    """Return findings that what is about to be filed is in a tree already.

    Args:
        entry: what is to be filed.
        tree: the folder `submissions/`.
    """
    found = []
    for folder in neighbours([entry], folders_of(tree, {entry.folder})):
        for other in (item.filed for item in map(check, find_targets(folder))):
            same = [] if other is None else entry.shared(other)
            if other is not None and same:
                found.append(copied(entry.name, same, other.name, "as it is filed already"))
    return found


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
    return Checked(
        target, submission, findings, digests=files.digests, unread=tuple(files.unread())
    )
