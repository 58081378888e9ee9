"""A process that loads much and keeps all of it does not look for garbage meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Leave Python's search for unreachable objects out while modules and models are loaded.

    Every few hundred new objects Python looks through those that are there, and the libraries of a
    client make millions that stay: importing them takes 7.7 s of a processor with the search and
    5.6 s without.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
