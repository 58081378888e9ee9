"""The evaluating process begins here: a script for `python -I -S`, of the standard library alone.

Without `site` Python runs no `.pth` file, no sitecustomize and no usercustomize. The path is the
one that the command found when it began, and comes through the pipe with the order.
"""

from __future__ import annotations

import ctypes
import json
import sys

PR_SET_DUMPABLE = 4
"""Source: linux/prctl.h. Another process of the same user can then neither read this one's memory
nor trace it."""


def begin() -> int:
    """Read the order, take its path and evaluate; return the exit code."""
    text = sys.stdin.readline()
    found = json.loads(text)["startup"]
    sys.path[:] = found["path"]
    sys.prefix, sys.exec_prefix = found["prefix"], found["exec_prefix"]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    from harness.evaluation.evaluating import main

    return main(text)


if __name__ == "__main__":
    sys.exit(begin())
