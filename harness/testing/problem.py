"""A problem: one thing that is wrong with a plugin, as the checks report it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a plugin."""

    subject: str
    """`peft method lora`, `strategy fedavg`, `recipe tiny`, or the plugin itself."""
    check: str
    """Short name of the check that failed."""
    found: str
    """What was found, and where it helps what to do."""

    def __str__(self) -> str:
        """Return the problem in one line."""
        found = self.found.removeprefix(f"{self.subject}: ")
        return f"{self.subject}: [{self.check}] {found}"
