"""One line of the leaderboard: a run, a claim or a reference, reduced to what the tables show."""

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
    withdrawn: bool = False
    """Whether its author took it back."""
    reasons: tuple[str, ...] = ()
    """Why it is not eligible."""
    changes: str = ""
    """What a run of the open division changes of its challenge; empty in the closed one."""
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
    """The highest one that was earned, or `derived` for a reference that follows from the rows."""
    rungs: tuple[str, ...] = ()
    """Every level that was earned, the lowest first; one between them may be missing."""
    findings: tuple[EntryFinding, ...] = ()
    created: str = ""
    """Date and time of the run, or of the claim's import."""
    submitted: str = ""
    """When it was filed; empty for what says nothing of it."""
    base_parameters: int | None = None
    """Weights of the base model."""
    family: str = ""
    peft: str = ""
    """PEFT method without its plugin: `dora`."""
    strategy: str = ""
    """Strategy without its plugin: `fedavg`."""
    licence: str = ""
    """Of the adapter where it is stated, as SPDX writes it."""
    author: str = ""
    """Account of who filed it."""
    author_name: str = ""
    """What the author calls themselves, where the entry says it."""
    seconds: float | None = None
    """All stages of the run together."""
    whose_code: str = ""
    """Whose code ran, in words: `declared`, `own code: ...` or `not stated`; empty for a claim."""
    isolation: str = ""
    """How the code of the entry was kept apart while it ran; empty where nothing is known."""
