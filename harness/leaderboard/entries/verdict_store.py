"""Verdicts that were reached before, by key, in one file of this machine's cache.

They are kept as text: what the page of an entry shows is written out again without being parsed.
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


def cache_file() -> Path:
    """Return where verdicts are kept, in the cache folder."""
    return cache_folder() / "verdicts.sqlite3"


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
    return store
