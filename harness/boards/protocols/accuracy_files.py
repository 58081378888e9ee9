"""Files that upstream's scripts write for boards of labels and choices: names and forms."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

STATED = re.compile(r"\s*(?:Accuracy:\s*)?([0-9.eE+-]{1,40}?)(?:\s*(%)\.?|\.?)\s*")
"""The scripts write `Accuracy: 0.5657894736842105. ` without a line break; people 68.23%."""


class AccuracyFiles:
    """The part of a `Reader` that finds a set's files and reads the accuracy that they state."""

    def accuracy_file(self, task: str) -> str:
        """Return a regular expression for `benchmarks/acc_<task>_<run>.txt`."""
        return rf"(?:.*/)?acc_{re.escape(task)}_(?P<run>[^/]*)\.txt"

    def generations_file(self, task: str) -> str | None:
        """Return a regular expression for `benchmarks/generation_<task>_<run>.jsonl`."""
        return rf"(?:.*/)?generation_{re.escape(task)}_(?P<run>[^/]*)\.jsonl?"

    def stated_accuracy(self, task: str, text: str) -> str | None:
        """Return the fraction in the text of an accuracy file; None without one."""
        match = STATED.fullmatch(text)
        if match is None:
            return None
        if match[2] is None:
            return match[1]
        try:
            return f"{Decimal(match[1]).scaleb(-2):f}"
        except InvalidOperation:
            return None

    def unofficial_settings(self, task: str, text: str) -> tuple[str, ...]:
        """Return nothing: an accuracy file of upstream's scripts states no settings."""
        return ()
