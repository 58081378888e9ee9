"""Finished rows on disk: appended one line at a time, so that a kill loses none and repeats none.

While a set is being evaluated its rows stand in `<name>.partial.jsonl` in the order in which they
finished; when it is complete they become `<name>.jsonl` in the official order, in one step.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.document import parse_json, write_atomic
from harness.errors import EvaluationError, RecordError

SYNC_INTERVAL_S = 2.0
"""Seconds between two flushes to the disk itself; a killed process loses nothing, a power cut
loses at most these seconds of work."""


class Journal:
    """The rows of one measure of one evaluation set."""

    def __init__(self, folder: Path, name: str, contexts: tuple[str, ...]) -> None:
        """Read what an earlier session left.

        Args:
            folder: `RUN_DIR/generations`.
            name: `fpb`, or `fpb.loglikelihood`.
            contexts: prompt of every row that is to be evaluated, in order.

        Raises:
            EvaluationError: a line is not JSON, of another prompt, or of a row that was there.
            RecordError: the disk refused it.
        """
        self.final = folder / f"{name}.jsonl"
        self.partial = folder / f"{name}.partial.jsonl"
        self.contexts = contexts
        self.rows: dict[int, dict[str, Any]] = {}
        self._synced = time.monotonic()
        self._handle: int | None = None
        if self.final.is_file():
            self._read(self.final)
        elif self.partial.is_file():
            cut_torn_line(self.partial)
            self._read(self.partial)

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
        data = (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            if self._handle is None:
                self.partial.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self._handle = os.open(self.partial, flags, 0o644)
            before = os.fstat(self._handle).st_size
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
                f"{self.partial}: row {row} cannot be written ({error.strerror}); {len(self.rows)}"
                " rows are safe: free some space and evaluate again, it goes on from there"
            ) from None
        self.rows[row] = line

    @staticmethod
    def _write(handle: int, data: bytes) -> None:
        while data:
            data = data[os.write(handle, data) :]

    def finish(self) -> Path:
        """Write the rows in order to the final file, drop the partial one, return the final.

        Raises:
            EvaluationError: rows are missing.
            RecordError: the disk refused it.
        """
        if self.missing:
            raise EvaluationError(
                f"{self.partial}: {len(self.missing)} rows are missing, the first is"
                f" {self.missing[0]}; evaluate again"
            )
        self.close()
        ordered = [self.rows[row] for row in range(len(self.contexts))]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in ordered)
        if not self.final.is_file():
            write_atomic(self.final, text)
        self.partial.unlink(missing_ok=True)
        return self.final

    def _read(self, path: Path) -> None:
        for number, text in enumerate(path.read_text("utf-8").split("\n"), 1):
            if not text:
                continue
            where = f"{path}: line {number}"
            try:
                line = parse_json(text, where)
            except RecordError as error:
                raise EvaluationError(f"{error}; delete the file to evaluate again") from None
            row = line.get("row") if isinstance(line, dict) else None
            if type(row) is not int or not 0 <= row < len(self.contexts):
                raise EvaluationError(
                    f"{where}: row {row!r}; expected 0 to {len(self.contexts) - 1};"
                    " delete the file to evaluate again"
                )
            if row in self.rows:
                raise EvaluationError(f"{where}: row {row} a second time; delete one of the lines")
            if line.get("context") != self.contexts[row]:
                raise EvaluationError(
                    f"{where}: its prompt is not row {row}'s; delete the file to evaluate again"
                )
            self.rows[row] = line

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


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline: the line that a kill interrupted."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
