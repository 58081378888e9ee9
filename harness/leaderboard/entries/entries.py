"""From checked submissions to entries."""

from __future__ import annotations

from harness.leaderboard.entries.claim_entry import claim_entry
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.entries.run_entry import run_entry
from harness.submissions.check import Checked


def entry_of(item: Checked) -> Entry | None:
    """Return the entry of a submission, or None when a rule rejects it."""
    if not item.clean:
        return None
    if item.claim is not None:
        return claim_entry(item.claim, item.findings)
    return None if item.subject is None else run_entry(item.subject, item.findings)
