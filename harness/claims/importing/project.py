"""The files of a project: found by name, within bounds, without following links."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.document.reading import STRANGER, read_bytes, walk
from harness.document.units import MIB
from harness.errors import RecordError, UsageError

MAX_ENTRIES = 20_000
MAX_TEXT_BYTES = 2 * MIB
MAX_PUBLISHED_BYTES = 64 * MIB

IGNORED = ("/.git/", "/node_modules/", "/.venv/", "/__pycache__/", "/templates/")


@dataclass
class Project:
    """A project folder and what was read of it."""

    folder: Path
    names: tuple[str, ...]
    """Paths of the plain files relative to `folder`, sorted."""
    digests: dict[str, str] = field(default_factory=dict)
    """Path of a file that was read -> its sha256."""

    def data(self, name: str, limit: int = MAX_TEXT_BYTES) -> bytes:
        """Read one file and keep its digest.

        Raises:
            RecordError: too large, or not a plain file any more.
        """
        data = read_bytes(self.folder / name, limit, STRANGER)
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data

    def text(self, name: str) -> str:
        """Read one small text: UTF-8, or UTF-16 where its mark of order says so.

        Other bytes become U+FFFD; the mark is left out.
        """
        data = self.data(name)
        marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if marked else "utf-8-sig", errors="replace")

    def matching(self, pattern: str) -> Iterator[re.Match[str]]:
        """Yield the match of each file whose whole relative path matches `pattern`."""
        expression = re.compile(pattern)
        yield from filter(None, map(expression.fullmatch, self.names))

    def find(self, pattern: str) -> Iterator[str]:
        """Yield the files whose last part matches the whole `pattern`."""
        expression = re.compile(pattern)
        for name in self.names:
            if expression.fullmatch(name.rsplit("/", 1)[-1]):
                yield name


def open_project(folder: Path) -> Project:
    """List a project's files.

    Raises:
        UsageError: not a folder, or one of too many files to be a project.
        RecordError: it cannot be listed.
    """
    address = re.match(r"(https?):/+(.+)", str(folder))
    if address and not folder.exists():
        raise UsageError(f"an address is not fetched; first: git clone {address[1]}://{address[2]}")
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise UsageError(f"{folder}: {what}; give the project's top folder")
    try:
        names = [
            name
            for name, entry in walk(folder, MAX_ENTRIES)
            if entry.is_file(follow_symlinks=False)
            and not any(part in f"/{name}" for part in IGNORED)
        ]
    except RecordError:
        raise UsageError(
            f"{folder}: more than {MAX_ENTRIES:,} files; give the folder of one project"
        ) from None
    except OSError as error:
        raise RecordError(f"{folder}: cannot be listed ({error.strerror}); check it") from None
    return Project(folder, tuple(sorted(names)))


def choose_run(runs: Mapping[str, Collection[str]], wanted: str | None, folder: Path) -> str | None:
    """Return the run whose evaluation files are read.

    Args:
        runs: run name -> its evaluation sets.
        wanted: as the user says, or None.
        folder: for the message.

    Raises:
        UsageError: several complete runs and no choice, or a choice that is not there.
    """
    if wanted is not None:
        if wanted not in runs:
            raise UsageError(f"{folder}: no run {wanted!r}; found {', '.join(sorted(runs))}")
        return wanted
    if not runs:
        return None
    most = max(map(len, runs.values()))
    best = sorted(name for name, tasks in runs.items() if len(tasks) == most)
    if len(best) > 1:
        raise UsageError(f"{folder}: several runs; choose with --run: {', '.join(best)}")
    return best[0]
