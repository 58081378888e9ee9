"""`rounds.jsonl`: one RoundRecord a line, each linked to the one before it by digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.document import parse_document, parse_json
from harness.errors import RecordError
from harness.record.federation import GENESIS, RoundRecord
from harness.record.file_names import ROUNDS


class Ledger:
    """The rounds of one run directory.

    Reading keeps the longest prefix that is a valid chain: a line that a crash has torn, or one
    that does not follow from the line before it, ends the prefix. What is cut off can always be
    made again from a checkpoint.
    """

    def __init__(self, run_dir: Path) -> None:
        """Read the rounds of `run_dir`; none when there is no file."""
        self.path = run_dir / ROUNDS
        self.rounds: list[RoundRecord] = []
        text = self.path.read_bytes().decode(errors="replace") if self.path.is_file() else ""
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            record = self._parse(line, number)
            if record is None or fault(record, number, self.head):
                break
            self.rounds.append(record)

    def _parse(self, line: str, number: int) -> RoundRecord | None:
        where = f"{self.path} line {number}"
        if not line.endswith("\n"):
            return None
        try:
            return parse_document(RoundRecord, parse_json(line, where), where)
        except RecordError:
            return None

    @property
    def head(self) -> str:
        """Digest of the last round, or GENESIS."""
        return self.rounds[-1].digest if self.rounds else GENESIS

    @property
    def bytes_total(self) -> int:
        """Bytes of all train messages so far, both directions."""
        return sum(item.bytes_down + item.bytes_up for item in self.rounds)

    def last_rounds(self) -> dict[int, int]:
        """Return partition -> the last round in which it trained."""
        return {partition: item.round for item in self.rounds for partition in item.partitions}

    def keep(self, count: int) -> None:
        """Keep the first `count` rounds, in memory and on disk.

        Raises:
            RecordError: the disk refused it.
        """
        self.rounds = self.rounds[:count]
        lines = [item.canonical_json() + "\n" for item in self.rounds]
        text = "".join(lines).encode()
        # In place: a process that is held back from its run directory may write this file, and make
        # no other beside it. What a crash tears is cut off when it is read, like any torn line.
        with (
            self._written(),
            open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file,
        ):
            if file.read(len(text)) != text:
                file.seek(0)
                file.write(text)
            file.truncate(len(text))
            file.flush()
            os.fsync(file.fileno())

    def append(self, record: RoundRecord) -> None:
        """Add the next round and make sure that it is on the disk.

        Raises:
            RecordError: it does not follow from the last one, or the disk refused it.
        """
        problem = fault(record, len(self.rounds) + 1, self.head)
        if problem:
            raise RecordError(f"{self.path}: {problem}; this is a defect of the harness")
        with self._written(), self.path.open("ab") as file:
            file.write((record.canonical_json() + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        self.rounds.append(record)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise RecordError(f"{self.path}: cannot be written ({reason}); free space") from error


def fault(record: RoundRecord, number: int, previous: str) -> str | None:
    """Say why `record` cannot be round `number` after the round with digest `previous`."""
    if record.round != number:
        return f"found round {record.round} where round {number} was expected"
    if record.previous_digest != previous:
        return f"round {number} follows {record.previous_digest[:12]}; expected {previous[:12]}"
    if record.digest != record.chain_digest():
        return f"round {number} has digest {record.digest[:12]}; its content gives another"
    return None
