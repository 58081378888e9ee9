"""Verdicts that were reached before, by key, in one file of this machine's cache.

They are kept as text: what the page of an entry shows is written out again without being parsed.
Beside them stand the digests of each folder's files, with what the file system said of them: as git
does, a file whose size, times, mode and inode are as they were is not read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from harness.machine.cache_folder import cache_folder

MOST_KEPT = 20_000
"""Verdicts that are kept; with more, those that the last table did not need are forgotten."""


class KeptVerdict(NamedTuple):
    """One verdict as text."""

    entry: str
    """The entry as JSON, its rows included; empty for what is refused."""
    details: str
    """What its page shows, as JSON."""
    filed: str
    """What it is known by, as JSON; empty for what was never filed."""
    refused: str
    """What refuses it; empty for an entry."""


class SeenFolder(NamedTuple):
    """The files of a folder as they were digested."""

    signature: str
    """Digest of what the file system says of every file."""
    listing: str
    """Digests of the files, as JSON."""


def cache_file() -> Path:
    """Return where verdicts are kept, in the cache folder."""
    return cache_folder() / "verdicts.sqlite3"


def seen_folders(folders: Iterable[str]) -> dict[str, SeenFolder]:
    """Return what is known of the files of some folders, by absolute path."""
    wanted = set(folders)
    try:
        with closing(_open()) as store:
            rows = store.execute("SELECT folder, signature, listing FROM seen")
            return {folder: SeenFolder(*rest) for folder, *rest in rows if folder in wanted}
    except (sqlite3.Error, OSError):
        return {}


def keep_seen(folders: Mapping[str, SeenFolder]) -> None:
    """Add what was digested of some folders; a cache that cannot be written costs time alone."""
    try:
        with closing(_open()) as store, store:
            rows = [(folder, *seen) for folder, seen in folders.items()]
            store.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            (count,) = store.execute("SELECT count(*) FROM seen").fetchone()
            if count > MOST_KEPT:
                store.execute("DELETE FROM seen")
    except (sqlite3.Error, OSError):
        return


def any_kept() -> bool:
    """Whether a verdict is kept of anything."""
    try:
        with closing(_open()) as store:
            return store.execute("SELECT 1 FROM verdict LIMIT 1").fetchone() is not None
    except (sqlite3.Error, OSError):
        return False


def kept(keys: Iterable[str]) -> dict[str, KeptVerdict]:
    """Return the verdicts that are known of some keys; none where the file cannot be read."""
    wanted = set(keys)
    try:
        with closing(_open()) as store:
            rows = store.execute("SELECT key, entry, details, filed, refused FROM verdict")
            return {key: KeptVerdict(*rest) for key, *rest in rows if key in wanted}
    except (sqlite3.Error, OSError):
        # A file that is none of ours, or damaged, is made anew.
        with suppress(OSError):
            cache_file().unlink()
        return {}


def keep(verdicts: Mapping[str, KeptVerdict], used: Iterable[str]) -> None:
    """Add verdicts; a cache that cannot be written costs time, not correctness.

    Args:
        verdicts: key -> verdict, all of them new.
        used: every key that the table needed, the new ones too.
    """
    try:
        with closing(_open()) as store, store:
            rows = [(key, *verdict) for key, verdict in verdicts.items()]
            store.executemany("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)", rows)
            (count,) = store.execute("SELECT count(*) FROM verdict").fetchone()
            if count > MOST_KEPT:
                store.execute("CREATE TEMP TABLE used (key TEXT PRIMARY KEY)")
                store.executemany("INSERT OR IGNORE INTO used VALUES (?)", [(k,) for k in used])
                store.execute("DELETE FROM verdict WHERE key NOT IN (SELECT key FROM used)")
    except (sqlite3.Error, OSError):
        return


def _open() -> sqlite3.Connection:
    cache_file().parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(cache_file(), timeout=10)
    store.execute(
        "CREATE TABLE IF NOT EXISTS verdict"
        " (key TEXT PRIMARY KEY, entry TEXT, details TEXT, filed TEXT, refused TEXT)"
    )
    store.execute(
        "CREATE TABLE IF NOT EXISTS seen (folder TEXT PRIMARY KEY, signature TEXT, listing TEXT)"
    )
    return store
