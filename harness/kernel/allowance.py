"""What this process may take of the machine, by the container or job that it runs in.

In a container of 4 GiB and 2 cores on a large machine, a process is told of that machine's memory
and may be put on all its cores: the limits are those of Linux's control groups.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""Source of both, and of the files below: Linux, `admin-guide/cgroup-v2.rst`, `cgroup-v1/`."""

MEMORY = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Of either version: the file of the limit, that of what is taken, and what of it is the cache of
files, by its name in `memory.stat`: Linux gives that back before it ends anybody."""

CORES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Of either version: the files that hold the time which a group may take in each period."""


def memory_limit_bytes() -> int | None:
    """Return the most memory that all processes of the group may take; None: no limit."""
    return min((limit for limit, _ in _memory()), default=None)


def memory_left_bytes() -> int | None:
    """Return the memory of the group that is not taken; None: no limit."""
    return min((max(0, limit - taken) for limit, taken in _memory()), default=None)


def cores() -> int:
    """Return how many cores this process may use, or its group as much time of, rounded up."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return min([allowed, *_core_limits()])


def _core_limits() -> Iterator[int]:
    """Yield the cores of each group that has a limit of time; -1 is none."""
    for group in _groups("cpu"):
        for files in CORES:
            # "max" is no number, and no limit.
            with suppress(OSError, ValueError):
                text = " ".join((group / name).read_text("utf-8") for name in files)
                quota, period = map(int, text.split())
                if quota > 0:
                    yield math.ceil(quota / period)


def _memory() -> Iterator[tuple[int, int]]:
    """Yield limit and taken bytes of each group that has both."""
    for group in _groups("memory"):
        for limit, taken, cache in MEMORY:
            with suppress(OSError, ValueError):
                most = int((group / limit).read_text("utf-8"))
                used = int((group / taken).read_text("utf-8"))
                lines = (group / "memory.stat").read_text("utf-8").splitlines()
                files = [int(line.split()[1]) for line in lines if line.startswith(f"{cache} ")]
                yield most, used - sum(files)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folder of this process's group and of those around it, as far as they are seen.

    In a container the path may be the machine's, of which the container sees its own group alone,
    at the top.
    """
    with suppress(OSError):
        for line in OWN.read_text("utf-8").splitlines():
            _, names, path = line.split(":", 2)
            if names and controller not in names.split(","):
                continue
            top = GROUPS / controller if names else GROUPS
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for count in range(len(parts), -1, -1):
                yield top.joinpath(*parts[:count])
