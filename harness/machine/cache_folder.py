"""The folder in which the harness keeps what it can make again: a converted model, verdicts."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "HARNESS_CACHE"


def cache_folder() -> Path:
    """Return the cache folder: `HARNESS_CACHE` itself, else one in the user's cache.

    The user's cache is `XDG_CACHE_HOME`, else `~/.cache`; other programs keep theirs there too, so
    that ours is a folder in it. It need not exist yet.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "flowertune-harness"
