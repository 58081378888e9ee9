"""The evaluating process begins here: a script for `python -I -S`, of the standard library alone.

Without `site` Python runs no `.pth` file, no sitecustomize and no usercustomize. The path is the
one that the command found when it began, and comes through the pipe before the order. Between the
two lines it may load what any order needs, while the last round trains.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from contextlib import suppress

PR_SET_DUMPABLE = 4
"""Source: linux/prctl.h. Another process of the same user can then neither read this one's memory
nor trace it."""


def begin() -> int:
    """Take the path, wait for the order and evaluate; return the exit code."""
    first = json.loads(sys.stdin.readline())
    found = first["startup"]
    sys.path[:] = found["path"]
    sys.prefix, sys.exec_prefix = found["prefix"], found["exec_prefix"]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    from harness.kernel.digesting import begun_digest

    digests = {name: begun_digest(name) for name in first["files"]}
    from harness.document import file_digests
    from harness.evaluation.sealed.evaluating import load_ahead, main

    file_digests.begun.update(digests)
    if first["ahead"]:
        load_ahead()
    return main(sys.stdin.readline())


if __name__ == "__main__":
    code = begin()
    sys.stdout.flush()
    with suppress(OSError):  # the terminal was closed, or the log's disk is full
        sys.stderr.flush()
    os._exit(code)  # Python would free model and libraries one object at a time: 1.5 s
