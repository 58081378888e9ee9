"""A rule: an id, a source, and a function from a submission to what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.record.file_names import RESULT
from harness.verify.report import Finding, Severity, shown, shown_path
from harness.verify.submission import Submission

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
    check: Callable[[Submission], Iterable[Breach]] | None = None
    """None for a rule that is applied while files are read: what breaks it is not read any further,
    and comes out of the reader as a `Refusal` that names the rule."""
    file: str = RESULT
    """The file that findings point into."""
    severity: Severity = "error"

    def findings(self, submission: Submission) -> Iterator[Finding]:
        """Yield what this rule finds; the first few one by one, then how many more there are."""
        path = f"{submission.name}/{self.file}" if submission.is_folder else submission.name
        more = 0
        for number, (place, found, expected) in enumerate(self._breaches(submission)):
            if number >= MAX_BREACHES:
                more += 1
                continue
            yield self.finding(f"{path}: {place}" if place else path, found, expected)
        if more:
            yield self.finding(path, f"{more} more of these", "none")

    def finding(
        self, path: str, found: object, expected: object, severity: Severity | None = None
    ) -> Finding:
        """Return one finding of this rule.

        Args:
            path: the file, and the place in it where that helps.
            found: what is there.
            expected: what should be.
            severity: where it is not the rule's own.
        """
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            path=shown_path(path),
            found=shown(found),
            expected=shown(expected),
        )

    def _breaches(self, submission: Submission) -> Iterator[Breach]:
        if self.check is None:
            return
        try:
            yield from self.check(submission)
        except ArithmeticError as error:
            # Values of strangers may overflow a formula; that is a finding, not a crash.
            yield "", f"values out of range ({type(error).__name__})", "values a run can have"
        except HarnessError as error:
            # Nor may one entry that contradicts itself stop a board of hundreds.
            yield "", str(error), "what this rule can be asked of"
