"""What a program's processes take up: memory, and time with and without a processor."""

from __future__ import annotations

import contextlib
import os
import resource

from harness.kernel.descendants import descendants

LOOK_EVERY_S = 0.05
"""How often memory is looked at. A program fills about 100 MiB in this time."""
SEARCH_S = 0.2
"""The same where the program's processes must be found among all of the machine's."""


class Load:
    """What the program's processes take up, as far as `/proc` tells.

    Args:
        own_processes: `/proc` holds the program's processes and this one, and no other.
    """

    def __init__(self, own_processes: bool) -> None:
        self._own = own_processes
        self.interval_s = LOOK_EVERY_S if own_processes else SEARCH_S
        self._times: dict[str, tuple[int, int]] = {}
        self.memory_bytes = 0
        """Resident memory of all, at the last look."""

    @property
    def waited_s(self) -> float:
        """Return how long they stood ready to run and had no processor, in seconds."""
        return sum(waited for _, waited in self._times.values()) / 1e9

    @property
    def ran_s(self) -> float:
        """Return how long they had a processor, in seconds."""
        return sum(ran for ran, _ in self._times.values()) / 1e9

    def look(self) -> None:
        """Look at all processes that are there."""
        pages = 0
        for name in self._names():
            with contextlib.suppress(OSError, ValueError):
                with open(f"/proc/{name}/statm") as file:
                    pages += int(file.read().split()[1])
                # Run and waiting time of the first thread, in nanoseconds.
                with open(f"/proc/{name}/schedstat") as file:
                    ran, waited, _ = file.read().split()
                    self._times[name] = int(ran), int(waited)
        self.memory_bytes = pages * resource.getpagesize()

    def _names(self) -> list[str]:
        if not self._own:
            return [str(pid) for pid in descendants()]
        try:
            return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        except OSError:
            return []
