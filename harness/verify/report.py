"""Findings: what a check has to say, and the report that collects them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from harness.document import Document
from harness.document.units import how_many

Severity = Literal["error", "warning", "note"]
"""`error`: the submission is wrong; `warning`: it is consistent but claims what does not hold or
cannot be checked; `note`: worth knowing."""

SHOWN_CHARACTERS = 200
"""Longest excerpt of a stranger's value in a finding."""

SHOWN_PATH_CHARACTERS = 4_096
"""Longest path in a finding; Linux opens none that is longer."""


class Finding(Document):
    """One thing that one rule found."""

    rule: str
    severity: Severity
    path: str
    """File, and the place in it where that helps: `result.json: federation.rounds[3]`."""
    found: str
    expected: str


class Verdict(Document):
    """What one run or submission comes to."""

    path: str
    average: float
    """Plain mean of the official accuracies, in [0, 1], as the record states it."""
    eligible: bool
    reasons: tuple[str, ...]
    """Why it is not eligible, all of them."""
    code: str
    """Whose code ran: `declared`, `own code: ...` or `not stated`."""
    next: str
    """What to do now, one line."""
    stated: tuple[str, ...] = ()
    """What nothing here can confirm and is taken as the record states it, one phrase each."""

    def lines(self) -> list[str]:
        """Return it as lines for people."""
        if any(reason.startswith("a smoke run:") for reason in self.reasons):
            return [
                f"{self.path}: a smoke run, average {100 * self.average:.2f} %: it shows that"
                " everything works, and ranks nowhere",
                f"  code that ran: {self.code}",
                f"  next: {self.next}",
            ]
        rank = "eligible" if self.eligible else "not eligible, so that it cannot rank"
        return [
            f"{self.path}: average {100 * self.average:.2f} %, {rank}",
            *(f"  not eligible: {reason}" for reason in self.reasons),
            f"  code that ran: {self.code}",
            *(f"  as stated: {item}" for item in self.stated),
            f"  next: {self.next}",
        ]


class Report(Document):
    """What `harness verify` says."""

    clean: bool
    """Whether there is no finding of severity `error`."""
    checked: tuple[str, ...]
    """Records and submissions that were looked at."""
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...] = ()
    """What each run and submission comes to; none for claims."""

    @classmethod
    def of(
        cls,
        checked: Iterable[str],
        findings: Iterable[Finding],
        verdicts: Iterable[Verdict] = (),
    ) -> Report:
        """Return the report of `findings`."""
        items = tuple(findings)
        return cls(
            clean=not any(item.severity == "error" for item in items),
            checked=tuple(checked),
            findings=items,
            verdicts=tuple(verdicts),
        )

    def lines(self) -> list[str]:
        """Return it as lines for people."""
        lines = [
            f"{item.severity:<7} [{item.rule}] {item.path}:"
            f" found {item.found}; expected {item.expected}"
            for item in self.findings
        ]
        if len(self.checked) == 1:
            lines += [line for item in self.verdicts for line in item.lines()]
        verdict = "clean" if self.clean else "found wanting"
        findings = how_many(len(self.findings), "finding")
        return [*lines, f"{len(self.checked)} checked, {findings}: {verdict}"]


def shown_path(path: Path | str) -> str:
    """Return a path as one printable line: strangers name files and folders too."""
    return shown(str(path), SHOWN_PATH_CHARACTERS)


def shown(value: Any, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a stranger's value as one printable line of at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    cut = text[: limit + 1]
    clean = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut[:limit])
    return clean[:limit] + ("…" if len(cut) > limit or len(clean) > limit else "")
