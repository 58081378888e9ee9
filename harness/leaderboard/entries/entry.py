"""One line of the leaderboard: a run, a claim or a reference, reduced to what is shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document


class EntryScore(Document):
    """One evaluation set of an entry; fractions in [0, 1]."""

    value: float
    correct: int | None = None
    examples: int
    low: float
    """Lower end of the 95 % interval; `high` is the upper one."""
    high: float
    stderr: float
    clean: float | None = None
    """The value without rows whose text is in the training data."""
    second: float | None = None
    """The board's second measure of the same rows."""
    measures: dict[str, float | None] = {}
    """What was measured beside the accuracy, by name."""
    bits: str | None = Field(None, exclude=True)
    """A `1` for each row that is answered right, else a `0`; kept out of what is published."""


class Sample(Document):
    """One answered row; the evaluation sets' licences keep their text out."""

    task: str
    index: int
    row: str
    """Digest of the row."""
    target: str
    answer: str
    """As the official script reads the output."""
    output: str
    """The beginning of the raw text."""


class EntryRung(Document):
    """One earned level of the ladder."""

    level: str
    date: str
    command: str
    digest: str


class EntryFinding(Document):
    """One finding about an entry."""

    severity: str
    text: str


class Entry(Document):
    """One line of the leaderboard."""

    key: str
    """`<challenge>/<name>`; unique."""
    name: str
    kind: Literal["run", "claim", "reference"]
    title: str
    """What the recipe or project calls itself."""
    model: str
    method: str
    """PEFT method and strategy in a few words."""
    eligible: bool
    reasons: tuple[str, ...] = ()
    """Why it is not eligible."""
    scores: dict[str, EntryScore]
    average: float | None
    low: float | None = None
    high: float | None = None
    clean_average: float | None = None
    second_average: float | None = None
    bytes_total: int | None = None
    parameters: int | None = None
    rounds: int | None = None
    level: str
    rungs: tuple[EntryRung, ...] = ()
    findings: tuple[EntryFinding, ...] = ()
    losses: tuple[tuple[int, float], ...] = ()
    """(round, mean training loss), thinned."""
    config: dict[str, str] = {}
    environment: dict[str, str] = {}
    digests: dict[str, str] = {}
    samples: tuple[Sample, ...] = ()
    created: str = ""
    source: str = ""
