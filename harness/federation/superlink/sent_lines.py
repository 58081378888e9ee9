"""Files of a run directory as lines of a log: the one way back that every SuperLink has.

Flower lets a caller read what a ServerApp prints, while it runs and afterwards, and nothing else.
A file is sent as base64 in parts; each line says what it is part of. A caller that was away reads
all lines from the beginning.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from harness.document import Document, parse_document, parse_json, write_atomic
from harness.errors import FederationError
from harness.federation.superlink.handover import ServerOutcome
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, ROUNDS

MARK = "@harness "
"""Begins a line of ours; Flower's own lines begin otherwise."""

PART_BYTES = 3 * 2**20
"""Of a file in one line, which becomes 4 MiB of text: Flower uploads what has been printed five
times a second, and one upload carries all of it."""

PART_PAUSE_S = 0.4
"""Pause after each part, so that an upload holds few of them."""

NAMES = re.compile(
    rf"({ADAPTER}|adapter_round_[0-9]{{1,6}})/({re.escape(ADAPTER_WEIGHTS)}|{ADAPTER_CONFIG})"
)
"""Files that a caller takes."""

LARGEST_FILE_BYTES = 16 * 2**30


class Part(Document):
    """A part of a file."""

    name: str
    number: int = Field(ge=0)
    of: int = Field(ge=1)
    sha256: str
    """Of the whole file."""
    data: str


class Sent(Document):
    """One line: a round, a part of a file, or the end."""

    round: str | None = None
    """A line of the ledger."""
    part: Part | None = None
    outcome: ServerOutcome | None = None


def say(sent: Sent) -> None:
    """Print a line that the caller reads, apart from whatever was printed before it."""
    print(f"\n{MARK}{sent.canonical_json()}\n", end="", flush=True)


def send_file(run_dir: Path, name: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Print a file of a run directory in parts."""
    data = (run_dir / name).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    count = max(1, -(-len(data) // PART_BYTES))
    for number in range(count):
        piece = data[number * PART_BYTES : (number + 1) * PART_BYTES]
        text = base64.b64encode(piece).decode()
        say(Sent(part=Part(name=name, number=number, of=count, sha256=digest, data=text)))
        pause(PART_PAUSE_S)


class Receiver:
    """Puts together, in a run directory, what a ServerApp sends; from its first line on."""

    def __init__(self, run_dir: Path) -> None:
        """Write into `run_dir`."""
        self.run_dir = run_dir
        self.outcome: ServerOutcome | None = None
        self._rounds: list[str] = []
        self._next: dict[str, int] = {}

    def take(self, line: str) -> None:
        """Take one line of the log; those that are not ours are passed over.

        Raises:
            FederationError: a file is none that a run has, comes out of order, or arrived altered.
            RecordError: a line is none that a harness prints.
        """
        if not line.startswith(MARK):
            return
        where = "a line of the ServerApp"
        sent = parse_document(Sent, parse_json(line[len(MARK) :], where), where)
        if sent.round is not None:
            self._rounds.append(sent.round.rstrip("\n") + "\n")
            # In place: other processes of the run follow this file.
            (self.run_dir / ROUNDS).write_text("".join(self._rounds), "utf-8")
        if sent.part is not None:
            self._part(sent.part)
        if sent.outcome is not None:
            self.outcome = sent.outcome

    def _part(self, part: Part) -> None:
        if not NAMES.fullmatch(part.name) or part.of * PART_BYTES > LARGEST_FILE_BYTES:
            raise FederationError(f"the ServerApp sent {part.name!r:.80}, which no run has")
        if part.number != self._next.get(part.name, 0):
            raise FederationError(
                f"{part.name} came out of order (part {part.number}); resume the run"
            )
        self._next[part.name] = part.number + 1
        target = self.run_dir / part.name
        unfinished = target.with_name(f"{target.name}.part")
        try:
            data = base64.b64decode(part.data, validate=True)
        except binascii.Error:
            data = b""
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("ab" if part.number else "wb") as file:
            file.write(data)
        if part.number + 1 < part.of:
            return
        del self._next[part.name]
        whole = unfinished.read_bytes()
        unfinished.unlink()
        if hashlib.sha256(whole).hexdigest() != part.sha256:
            raise FederationError(f"{part.name} arrived altered; resume the run")
        write_atomic(target, whole)
