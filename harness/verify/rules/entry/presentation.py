"""Rules on what people look at first: the card and the plot."""

from __future__ import annotations

from collections.abc import Iterator

from harness.record.card import card
from harness.record.file_names import CARD, LOSS_PLOT
from harness.verify.files.png import MAX_SIDE
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission


def derived_card(submission: Submission) -> Iterator[Breach]:
    """The card is the one that follows from the record, number by number."""
    if submission.card is None:
        return
    found = submission.card.splitlines()
    command = () if submission.about is None else submission.about.command
    expected = card(submission.record, submission.challenge, command).splitlines()
    if found != expected:
        pairs = enumerate(zip(found, expected, strict=False), 1)
        line = next((n for n, (a, b) in pairs if a != b), min(len(found), len(expected)) + 1)
        text = found[line - 1] if line <= len(found) else "the end"
        yield f"line {line}", text, "the card of this record; nobody checks what else a card says"


def plot(submission: Submission) -> Iterator[Breach]:
    """The plot is a PNG of bounded size and nothing else."""
    if submission.loss_plot_fault is not None:
        fault = submission.loss_plot_fault
        yield "", fault, f"a PNG of at most {MAX_SIDE} x {MAX_SIDE} pixels"


RULES = (
    Rule("card", "The card follows from the record", "harness.record.card", derived_card, file=CARD,
         severity="warning"),
    Rule("plot", "The plot is a small PNG", "PNG specification", plot, file=LOSS_PLOT),
)  # fmt: skip
