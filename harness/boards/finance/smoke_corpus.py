"""Synthetic sentences that stand for the training set and the evaluation sets in a smoke run."""

from __future__ import annotations

import itertools
import random

from harness.boards.rows import Example

CORPUS_SEED = 20_260_329

COMPANIES = (
    "Alder Bank", "Norrsken Steel", "Pelagia Foods", "Quillon Software", "Tamarind Air",
    "Vesterbro Retail", "Kestrel Energy", "Lumen Optics", "Harrow Paper", "Ostrava Motors",
)  # fmt: skip
EVENTS = {
    "positive": (
        "raised its full-year guidance after record orders",
        "reported that quarterly profit rose {n} % on strong demand",
        "won a contract worth {n} million euros",
        "will increase its dividend by {n} %",
    ),
    "negative": (
        "cut {n} jobs as sales kept falling",
        "warned that its operating loss would widen to {n} million euros",
        "lost {n} % of its market value after the recall",
        "missed estimates and suspended its outlook",
    ),
    "neutral": (
        "will publish its interim report in week {n}",
        "appointed a new head of investor relations",
        "said its annual meeting will be held in room {n} of the head office",
        "moved its registered office to another district",
    ),
}
"""Label -> what happens to a company; `{n}` is a number from 2 to 90."""


def sentences(purpose: str, count: int) -> list[Example]:
    """Return `count` pairs of sentence and label, the same ones for the same purpose.

    Args:
        purpose: "training" or the name of an evaluation set; each gets sentences of its own.
        count: how many. A shorter list is the beginning of a longer one; labels take turns.
    """
    draw = random.Random(f"{CORPUS_SEED}/{purpose}")
    rows = []
    for label in itertools.islice(itertools.cycle(sorted(EVENTS)), count):
        event = draw.choice(EVENTS[label]).format(n=draw.randint(2, 90))
        rows.append((f"{draw.choice(COMPANIES)} {event} .", label))
    return rows
