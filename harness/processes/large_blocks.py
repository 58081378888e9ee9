"""The memory of large tensors: taken from the heap, or apart from it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.document.units import MIB

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Source: glibc, `malloc.h`."""

LARGE_BYTES = 1 * MIB
"""Of a block that is taken from the machine and given back to it as it is."""

USUAL_LARGE_BYTES = 32 * MIB
"""What glibc comes to by itself, once such blocks have been freed; it keeps up to twice as much at
its heap's end. Source: glibc, `malloc.c`, `DEFAULT_MMAP_THRESHOLD_MAX`."""


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Take every large block from the machine and give it back to it, while this context lasts.

    For work that makes tensors which stay among tensors which do not: from one heap, a small one
    that stays beside a large one that is gone leaves a hole that the next large one, whose place
    has to be aligned, does not fit into. DoRA's adapter for 135 million parameters left holes of
    0 to 900 MiB, as its process lay in memory. On Linux with glibc; elsewhere nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    try:
        yield
    finally:
        mallopt(M_MMAP_THRESHOLD, USUAL_LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * USUAL_LARGE_BYTES)
