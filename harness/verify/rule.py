"""A rule: an id, a source, and a function from a subject to what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.verify.report import Finding, Severity, shown
from harness.verify.submission import Subject

Breach = tuple[str, object, object]
"""(place in the file, found, expected)"""

MAX_BREACHES = 5
"""Breaches of one rule that are listed one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check of a submission's files."""

    id: str
    title: str
    source: str
    check: Callable[[Subject], Iterable[Breach]]
    file: str = "result.json"
    severity: Severity = "error"

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """Yield what this rule finds; the first few one by one, then how many more there are."""
        more = 0
        for number, (place, found, expected) in enumerate(self._breaches(subject)):
            if number >= MAX_BREACHES:
                more += 1
                continue
            yield self.finding(subject, place, found, expected)
        if more:
            yield self.finding(subject, "", f"{more} more of these", "none")

    def finding(self, subject: Subject, place: str, found: object, expected: object) -> Finding:
        """Return one finding of this rule.

        Args:
            subject: the record under check.
            place: where in the rule's file; may be empty.
            found: what stands there.
            expected: what should.
        """
        path = f"{subject.name}/{self.file}" if subject.is_folder else subject.name
        return Finding(
            rule=self.id,
            severity=self.severity,
            path=f"{path}: {place}" if place else path,
            found=shown(found),
            expected=shown(expected),
        )

    def _breaches(self, subject: Subject) -> Iterator[Breach]:
        try:
            yield from self.check(subject)
        except ArithmeticError as error:
            # Values of strangers may overflow a formula; that is a finding, not a crash.
            yield "", f"values out of range ({type(error).__name__})", "values a run can have"
