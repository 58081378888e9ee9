"""What programs could leave on a machine: processes, files in the temporary folder, sockets."""

from __future__ import annotations

import os
import tempfile
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
        files = {str(path) for path in temporary.glob("harness-*")}
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = {row[1] for row in rows if row[3] == "0A"}
        return cls(frozenset(processes), frozenset(files), frozenset(listening))

    def beyond(self, before: Traces) -> list[str]:
        """Return what is there now and was not `before`."""
        return [
            *sorted(self.processes - before.processes),
            *sorted(self.files - before.files),
            *sorted(f"socket {one}" for one in self.listening - before.listening),
        ]


def _ours(folder: Path) -> bool:
    """Return whether a process belongs to a sandbox that this process started, by any trace of it.

    Its environment's HOME, its user id from a sandbox's range, or its parent.
    """
    status = (folder / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if int(fields["Uid"].split()[0]) >= 1_000_000_000 or fields["PPid"] == str(os.getpid()):
        return True
    return b"HOME=/box\0" in (folder / "environ").read_bytes()
