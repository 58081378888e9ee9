"""Large blocks are the machine's while it is asked for, and the heap's again afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIZES = """
import ctypes
from harness.processes.large_blocks import LARGE_BYTES, USUAL_LARGE_BYTES, large_blocks_apart

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Counts
libc.malloc.restype = ctypes.c_void_p

def is_apart(size):
    before = libc.mallinfo2().hblks
    block = ctypes.c_void_p(libc.malloc(size))
    apart = libc.mallinfo2().hblks > before
    libc.free(block)
    return apart

with large_blocks_apart():
    print(is_apart(LARGE_BYTES // 2), is_apart(LARGE_BYTES * 2))
print(is_apart(LARGE_BYTES * 2), is_apart(USUAL_LARGE_BYTES // 2), is_apart(USUAL_LARGE_BYTES * 2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_large_block_is_taken_from_the_machine_inside_and_from_the_heap_outside() -> None:
    done = subprocess.run([sys.executable, "-c", SIZES], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "False", "True"]
