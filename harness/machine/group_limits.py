"""What the container or job that this process runs in may take, by Linux's control groups.

Neither the machine's memory nor the cores that a process may be put on tell of it: in a container
of 4 GiB and 2 cores on a large machine both are the machine's.
"""

from __future__ import annotations

import math
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


def memory_limit_bytes() -> int | None:
    """Return the most memory that all processes of the group may take; None: no limit."""
    return min((limit for limit, _ in _memory()), default=None)


def memory_left_bytes() -> int | None:
    """Return the memory of the group that is not taken; None: no limit."""
    return min((max(0, limit - taken) for limit, taken in _memory()), default=None)


def core_limit() -> int | None:
    """Return how many cores' time the group may take, rounded up; None: no limit."""
    found = []
    for group in _groups("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text("utf-8").split()
            found.append(math.ceil(int(quota) / int(period)))
        with suppress(OSError, ValueError):
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text("utf-8") for name in ("quota", "period")
            )
            found.append(math.ceil(int(quota) / int(period)))
    return min((cores for cores in found if cores > 0), default=None)


def _memory() -> Iterator[tuple[int, int]]:
    """Yield limit and taken bytes of each group that has both."""
    for group in _groups("memory"):
        for limit, taken, cache in MEMORY:
            # "max" is no number, and no limit.
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
