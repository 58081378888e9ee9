"""Findings: what a check has to say, and the report that collects them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from harness.document import Document

Severity = Literal["error", "warning", "note"]
"""`error`: the submission is wrong; `warning`: it is consistent but claims what does not hold or
cannot be checked; `note`: worth knowing."""

SHOWN_CHARACTERS = 200
"""Longest excerpt of a stranger's value in a finding."""


class Finding(Document):
    """One thing that one rule found."""

    rule: str
    severity: Severity
    path: str
    """File, and the place in it where that helps: `result.json: federation.rounds[3]`."""
    found: str
    expected: str


class Report(Document):
    """What `harness verify` says."""

    clean: bool
    """Whether there is no finding of severity `error`."""
    checked: tuple[str, ...]
    """Records and submissions that were looked at."""
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, checked: Iterable[str], findings: Iterable[Finding]) -> Report:
        """Return the report of `findings`."""
        items = tuple(findings)
        return cls(
            clean=not any(item.severity == "error" for item in items),
            checked=tuple(checked),
            findings=items,
        )


def shown(value: Any, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a stranger's value as one printable line of at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    cut = text[: limit + 1]
    clean = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut[:limit])
    return clean[:limit] + ("…" if len(cut) > limit or len(clean) > limit else "")
