"""Rows that are not the official ones, and what a model answers to them, as documents."""

from __future__ import annotations

from harness.document import Document


class HeldOutRow(Document):
    """One training row in the form of an evaluation row."""

    context: str
    """The whole prompt."""
    target: str


class HeldOutAnswers(Document):
    """What a model answered to held-out rows."""

    adapter_sha256: str | None
    """Of the adapter's weights; None for the untrained base."""
    right: tuple[bool, ...]
    """Of each row, in the order of the rows."""
    duration_s: float
