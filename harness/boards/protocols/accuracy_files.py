"""The accuracy file that upstream's scripts write beside the generations of labels and choices."""

from __future__ import annotations

import re

STATED = re.compile(r"\s*Accuracy:\s*([0-9.eE+-]{1,40}?)\.?\s*")
"""The scripts write `Accuracy: 0.5657894736842105. ` without a line break."""


def accuracy_file(task: str) -> str:
    """Return a regular expression for `benchmarks/acc_<task>_<run>.txt`."""
    return rf"(?:.*/)?acc_{re.escape(task)}_(?P<run>[^/]*)\.txt"


def generations_file(task: str) -> str:
    """Return a regular expression for `benchmarks/generation_<task>_<run>.jsonl`."""
    return rf"(?:.*/)?generation_{re.escape(task)}_(?P<run>[^/]*)\.jsonl?"


def stated_accuracy(text: str) -> str | None:
    """Return the fraction in the text of an accuracy file; None without one."""
    match = STATED.fullmatch(text)
    return None if match is None else match.group(1)
