"""What programs could leave on a machine: processes, files in the temporary folder, sockets.

A process or socket that is left stays for minutes (such a program sleeps for ten), so one that goes
within seconds belonged to another execution on the same machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Traces:
    """Processes of a sandbox, its temporary files, and sockets that listen, at one moment."""

    processes: frozenset[str]
    files: frozenset[str]
    listening: frozenset[str]

    @classmethod
    def now(cls) -> Self:
        """Look."""
        processes = set()
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and _ours(folder):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    processes.add(f"{folder.name} {command.decode(errors='replace')[:80]}")
            except OSError:
                continue
        temporary = Path(tempfile.gettempdir())
        files = {
            str(path)
            for kind in ("harness-execution-*", "harness-header-*")
            for path in temporary.glob(kind)
        }
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = {row[1] for row in rows if row[3] == "0A" and _of_a_program(int(row[7]))}
        return cls(frozenset(processes), frozenset(files), frozenset(listening))

    @classmethod
    def left_since(cls, before: Traces, patience_s: float = 20) -> list[str]:
        """Return what has come since `before` and stays; another run's programs come and go."""
        left = cls.now().beyond(before)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            time.sleep(0.2)
            now = cls.now().beyond(before)
            left = [one for one in left if one in now]
        return left

    def beyond(self, before: Traces) -> list[str]:
        """Return what is there now and was not `before`."""
        return [
            *sorted(self.processes - before.processes),
            *sorted(self.files - before.files),
            *sorted(f"socket {one}" for one in self.listening - before.listening),
        ]


def _of_a_program(user: int) -> bool:
    return user >= 1_000_000_000 or (os.geteuid() == 0 and user == 65534)


def _ours(folder: Path) -> bool:
    """Return whether a process belongs to a sandbox that this process started, by any trace of it.

    Its environment's HOME, its user id from a sandbox's range, or its parent.
    """
    status = (folder / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if _of_a_program(int(fields["Uid"].split()[0])) or fields["PPid"] == str(os.getpid()):
        return True
    return b"HOME=/box\0" in (folder / "environ").read_bytes()
