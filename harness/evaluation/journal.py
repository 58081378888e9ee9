"""Finished rows on disk: appended one line at a time, so that a kill loses none and repeats none.

While a set is being evaluated its rows stand in `<name>.partial.jsonl` in the order in which they
finished, each with its proof; when it is complete they become `<name>.jsonl` in the official order,
in one step, and `<name>.proof` holds the proof of that file. What has none was written by somebody
else: it is set aside, and its rows are generated again.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.document import write_atomic
from harness.document.units import how_many
from harness.errors import EvaluationError, RecordError
from harness.evaluation.proof import Proof
from harness.progress import say

SYNC_INTERVAL_S = 2.0
"""Seconds between two flushes to the disk itself; a killed process loses nothing, a power cut
loses at most these seconds of work."""

UNPROVEN = ".unproven"
"""Added to the name of a file that is set aside."""


class Journal:
    """The rows of one measure of one evaluation set."""

    def __init__(self, folder: Path, name: str, contexts: tuple[str, ...], proof: Proof) -> None:
        """Read what an earlier session left.

        Args:
            folder: `RUN_DIR/generations`.
            name: `fpb`, or `fpb.loglikelihood`.
            contexts: prompt of every row that is to be evaluated, in order.
            proof: of the rows that an evaluation of this run has kept.

        """
        self.final = folder / f"{name}.jsonl"
        self.partial = folder / f"{name}.partial.jsonl"
        self.proven = folder / f"{name}.proof"
        self.contexts, self.proof = contexts, proof
        self.rows: dict[int, dict[str, Any]] = {}
        self._synced = time.monotonic()
        self._handle: int | None = None
        self._read_final()
        if not self.rows and self.partial.is_file():
            cut_torn_line(self.partial)
            self._read_partial()

    @property
    def missing(self) -> list[int]:
        """Rows that are still to be evaluated."""
        return [row for row in range(len(self.contexts)) if row not in self.rows]

    def append(self, row: int, value: Mapping[str, Any]) -> None:
        """Write one finished row; `row` and `context` are added.

        Raises:
            RecordError: the disk refused it; the file is left with whole lines only.
        """
        line = {"row": row, "context": self.contexts[row], **value}
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        data = (self.proof.sealed(self.partial.name, text) + "\n").encode()
        try:
            if self._handle is None:
                self.partial.parent.mkdir(exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self._handle = os.open(self.partial, flags, 0o644)
            before = self._size(self._handle)
            try:
                self._write(self._handle, data)
            except OSError:
                with suppress(OSError):  # a torn line is cut when the file is read again
                    os.ftruncate(self._handle, before)
                raise
            if time.monotonic() - self._synced > SYNC_INTERVAL_S:
                os.fsync(self._handle)
                self._synced = time.monotonic()
        except OSError as error:
            raise RecordError(
                f"{self.partial}: row {row} cannot be written ({error.strerror});"
                f" {how_many(len(self.rows), 'row')} kept: free some space and evaluate again, it"
                " goes on from there"
            ) from None
        self.rows[row] = line

    @staticmethod
    def _size(handle: int) -> int:
        """Return the bytes of an open file.

        Raises:
            FileNotFoundError: it was deleted meanwhile: hours of answers would go nowhere.
        """
        found = os.fstat(handle)
        if not found.st_nlink:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found.st_size

    @staticmethod
    def _write(handle: int, data: bytes) -> None:
        while data:
            data = data[os.write(handle, data) :]

    def finish(self) -> str:
        """Write the rows in order to the final file, drop the partial one, return the final's text.

        Raises:
            EvaluationError: rows are missing.
            RecordError: the disk refused it.
        """
        if self.missing:
            raise EvaluationError(
                f"{self.partial}: {how_many(len(self.missing), 'row')} missing, the first is"
                f" {self.missing[0]}; evaluate again"
            )
        self.close()
        ordered = [self.rows[row] for row in range(len(self.contexts))]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in ordered)
        if not self.final.is_file() or self.final.read_bytes() != text.encode():
            write_atomic(self.final, text)
        write_atomic(self.proven, self.proof.of(self.final.name, text))
        self.partial.unlink(missing_ok=True)
        return text

    def _read_final(self) -> None:
        """Read the final file where it is proven; else the rows that are still partial count."""
        if not self.final.is_file():
            return
        text = self.final.read_bytes().decode(errors="replace")
        code = self.proven.read_text("ascii", "replace") if self.proven.is_file() else ""
        if self.proof.holds(self.final.name, text, code):
            self._take(self.final, text.split("\n")[:-1])
        elif not self.partial.is_file():
            self._set_aside(self.final)

    def _read_partial(self) -> None:
        lines = self.partial.read_bytes().decode(errors="replace").split("\n")
        found = [self.proof.opened(self.partial.name, line) for line in lines if line]
        if None in found:
            self._set_aside(self.partial)
        else:
            self._take(self.partial, [line for line in found if line])

    def _take(self, path: Path, lines: list[str]) -> None:
        """Take lines that are proven to be ours; other prompts than now set the file aside too."""
        rows = {line["row"]: line for line in map(json.loads, lines)}
        contexts = dict(enumerate(self.contexts))
        if all(contexts.get(row) == line["context"] for row, line in rows.items()):
            self.rows = rows
        else:
            self._set_aside(path)

    @staticmethod
    def _set_aside(path: Path) -> None:
        other = path.with_name(path.name + UNPROVEN)
        path.replace(other)
        _tell_once(path.parent)

    def close(self) -> None:
        """Flush to the disk and close the file."""
        if self._handle is not None:
            os.fsync(self._handle)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


@cache
def _tell_once(folder: Path) -> None:
    """Say what was set aside, once for all files: one damaged ledger leaves each without proof."""
    say(
        f"{folder}: what was not written by an evaluation of these rows is called *{UNPROVEN} now,"
        " and its rows are generated again"
    )


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline: the line that a kill interrupted."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
