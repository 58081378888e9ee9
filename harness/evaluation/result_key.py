"""What a finished row depends on: rows are kept as long as this stays, and set aside when not."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.document import Document, digest_of, lock, read_document, write_document
from harness.document.units import how_many
from harness.errors import OtherAnswersError
from harness.machine.versions import installed_versions
from harness.progress import say
from harness.record.file_names import RESULT

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "bitsandbytes", "lm-eval", "datasets")
"""Packages whose version can change a row."""

DECODER_VERSION = 3
"""Raised when this package would give another text for some row."""

KEY = "key.json"


class ResultKey(Document):
    """Everything that decides the rows of an evaluation."""

    adapter_sha256: str | None
    """Of the adapter's weights; None for the untrained base."""
    adapter_config_sha256: str | None
    model_sha256: str
    protocol: str
    """Digest of the challenge: protocol and pinned rows."""
    decoder_version: int
    rows: int | None
    """First so many rows of each set; None: all."""
    smoke: bool
    device: str
    packages: dict[str, str]


def deciding_versions() -> dict[str, str]:
    """Return the installed versions of `PACKAGES`, and Python's."""
    return {"python": platform.python_version()} | installed_versions(PACKAGES)


def protocol_digest(challenge: Challenge) -> str:
    """Return the digest of what the challenge says about evaluation."""
    parts = (digest_of(challenge.protocol), *(digest_of(item) for item in challenge.evaluation))
    return digest_of(_Parts(parts=parts))


class _Parts(Document):
    parts: tuple[str, ...]


DIGESTS = {
    "adapter_sha256": "another adapter",
    "adapter_config_sha256": "other settings of the adapter",
    "model_sha256": "another model",
    "protocol": "other rules of the evaluation",
}
"""Part of a key that is a digest -> what is said where it differs."""

VALUES = {
    "decoder_version": "decoder version",
    "rows": "rows of each set:",
    "smoke": "smoke run:",
    "device": "device",
}
"""Every other part but the packages -> what it is called."""


def differences(kept: ResultKey, key: ResultKey) -> list[str]:
    """Return in words what the key of kept rows has otherwise than `key`."""
    before, now = kept.model_dump(), key.model_dump()
    changed = [part for part in before if before[part] != now[part]]
    values = {name: (before[part], now[part]) for part, name in VALUES.items() if part in changed}
    for name in sorted(kept.packages.keys() | key.packages.keys()):
        values[name] = (kept.packages.get(name, "none"), key.packages.get(name, "none"))
    return [said for part, said in DIGESTS.items() if part in changed] + [
        f"{name} {_plain(old)} (now {_plain(new)})"
        for name, (old, new) in values.items()
        if old != new
    ]


def _plain(value: bool | int | str | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "all" if value is None else str(value)


def open_generations(run_dir: Path, key: ResultKey) -> Path:
    """Return the folder for rows under `key`, with what an earlier session left there.

    Rows under another key are never mixed in: their folder is renamed to `generations.<key>`, which
    is said, and renamed back when that key comes again. Those of a finished run stay, since its
    record holds their digests.

    Raises:
        OtherAnswersError: they are a finished run's, under another key.
        RecordError: the disk refused it, or the kept key is unreadable.
    """
    folder = run_dir / "generations"
    if (folder / KEY).is_file():
        kept = read_document(ResultKey, folder / KEY)
        if kept == key:
            return folder
        why = ", ".join(differences(kept, key))
        if (run_dir / RESULT).is_file():
            raise OtherAnswersError(
                f"{run_dir}: its result was answered with {why}; the answers stay with the result."
                f" To answer again: harness reproduce {shlex.quote(str(run_dir))} --evaluation"
            )
        aside = run_dir / f"generations.{digest_of(kept)[:12]}"
        if rows := _rows_in(folder):
            say(
                f"{folder}: {how_many(rows, 'row')} not used, answered with {why};"
                f" kept in {aside.name}"
            )
        folder.rename(aside)
    earlier = run_dir / f"generations.{digest_of(key)[:12]}"
    if (earlier / KEY).is_file() and read_document(ResultKey, earlier / KEY) == key:
        earlier.rename(folder)
        return folder
    write_document(folder / KEY, key)
    return folder


def _rows_in(folder: Path) -> int:
    """Return how many rows an evaluation has kept, whether its sets are finished or not."""
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.jsonl"))


@contextmanager
def evaluation_lock(run_dir: Path) -> Iterator[None]:
    """Hold the evaluation of a run directory; the lock ends with the process.

    Raises:
        UsageError: another process evaluates it.
    """
    in_use = f"{run_dir} is being evaluated by another process; wait for it, or end it first"
    with lock.locked(run_dir / ".evaluation.lock", in_use):
        yield
