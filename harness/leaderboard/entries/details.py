"""What an entry's own page shows beyond its line of the table; read when the page is opened."""

from __future__ import annotations

from harness.document import Document
from harness.record.ladder import Rung


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


class EntryLink(Document):
    """One link that the submitter stated."""

    what: str
    text: str
    url: str


class Repetition(Document):
    """One way to repeat an entry, from a checkout of the repository."""

    what: str
    """`recount`, `re-evaluate`, `replay a round`, `run again`."""
    earns: str
    """Level of the ladder."""
    command: str
    seconds: float | None = None
    """About how long it takes, on the machine and with the processes of the record."""
    note: str = ""


class EntryDetails(Document):
    """What an entry's own page shows beyond its line of the table."""

    rungs: tuple[Rung, ...] = ()
    losses: tuple[tuple[int, float], ...] = ()
    """(round, mean training loss), thinned."""
    config: dict[str, str] = {}
    texts: dict[str, str] = {}
    """What a client is trained on, as text that may have lines: prompt, output mapping, filters."""
    environment: dict[str, str] = {}
    digests: dict[str, str] = {}
    samples: tuple[Sample, ...] = ()
    author: dict[str, str] = {}
    """`handle`, and where they are stated `name` and `affiliation`."""
    links: tuple[EntryLink, ...] = ()
    command: str = ""
    """What was typed, as one line; empty where it was not kept."""
    repetitions: tuple[Repetition, ...] = ()
    stated: tuple[str, ...] = ()
    """What nothing in the files can confirm, as `harness verify` says it."""
    machine: str = ""
    """The record's device, for the times."""
    files: dict[str, int] = {}
    """File of the submission -> bytes."""
    source: str = ""
    """Where a claim was found; an https link, or nothing."""
