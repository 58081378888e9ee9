"""A lock between processes on one machine: a file that one of them holds with `flock`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UsageError


@contextmanager
def locked(path: Path, in_use: str | None = None) -> Iterator[None]:
    """Hold the lock file `path`; the lock ends with the process, however it ends.

    The file stays behind on purpose: were it removed, a process that waits on the removed file and
    one that makes a new file would both hold "the" lock.

    Args:
        path: the lock file; it and its folder are made where there are none.
        in_use: what to say when another process holds it; None: wait until it is free.

    Raises:
        UsageError: another process holds it, or the file cannot be made, and `in_use` is a text.
        OSError: the file cannot be made, and it is none.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if in_use is None:
            raise
        raise UsageError(
            f"{path.parent}: nothing can be written there ({error.strerror}); use a copy of it, or"
            " change its rights"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if in_use is None else fcntl.LOCK_NB))
        except BlockingIOError:
            raise UsageError(str(in_use)) from None
        yield
    finally:
        os.close(handle)
