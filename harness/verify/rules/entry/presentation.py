"""Rules on what people look at first: the card and the plot."""

from __future__ import annotations

from collections.abc import Iterator

from harness.record.card import FORMS, card
from harness.record.file_names import CARD, LOSS_PLOT
from harness.verify.files.png import MAX_SIDE
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

CARD_SINCE = 2
"""Version of a record from which on a card must be one of a known form."""


def derived_card(submission: Submission) -> Iterator[Breach]:
    """The card is the one that follows from the record, letter by letter."""
    if submission.record.schema_version >= CARD_SINCE:
        yield from _other_card(submission)


def older_card(submission: Submission) -> Iterator[Breach]:
    """The card of an older record may have been made by an older harness, and is told to differ."""
    if submission.record.schema_version < CARD_SINCE:
        yield from _other_card(submission)


def _other_card(submission: Submission) -> Iterator[Breach]:
    if submission.card is None:
        return
    command = () if submission.about is None else submission.about.command
    forms = (card(submission.record, submission.challenge, command, form) for form in FORMS)
    if submission.card not in forms:
        whole = card(submission.record, submission.challenge, command)
        found, expected = submission.card.split("\n"), whole.split("\n")
        pairs = enumerate(zip(found, expected, strict=False), 1)
        line = next((n for n, (a, b) in pairs if a != b), min(len(found), len(expected)) + 1)
        text = found[line - 1] if line <= len(found) else "the end"
        wanted = expected[line - 1] if line <= len(expected) else "the end"
        yield f"line {line}", text, f"{wanted!r:.150}, by the record"


def plot(submission: Submission) -> Iterator[Breach]:
    """The plot is a PNG of bounded size and nothing else."""
    if submission.loss_plot_fault is not None:
        fault = submission.loss_plot_fault
        yield "", fault, f"a PNG of at most {MAX_SIDE} x {MAX_SIDE} pixels"


RULES = (
    Rule("card", "The card follows from the record", "harness.record.card", derived_card,
         file=CARD),
    Rule("older-card", "The card of a record of version 1 is today's", "harness.record.card",
         older_card, file=CARD, severity="warning"),
    Rule("plot", "The plot is a small PNG, and nothing is hidden in it", "PNG specification", plot,
         file=LOSS_PLOT),
)  # fmt: skip
