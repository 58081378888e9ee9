"""What programs could leave on a machine: processes, files in the temporary folder, sockets.

A process or socket that is left stays for minutes (such a program sleeps for ten), so one that goes
within seconds belonged to another execution on the same machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.boards.execution.languages import SandboxJob
from harness.boards.execution.sandbox import Sandbox


@dataclass(frozen=True)
class Traces:
    """Processes of a sandbox, its temporary files, and sockets that listen, at one moment."""

    mark: str
    """Only processes with this in their environment; all sandboxes' if empty."""
    processes: frozenset[str]
    files: frozenset[str]
    listening: frozenset[str]

    @classmethod
    def now(cls, mark: str = "") -> Self:
        """Look for processes, marked by `mark_sandboxes` if `mark` is given."""
        processes = set()
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and _ours(folder, mark):
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
        return cls(mark, frozenset(processes), frozenset(files), frozenset(listening))

    @classmethod
    def left_since(cls, before: Traces, patience_s: float = 20) -> list[str]:
        """Return what has come since `before` and stays; another run's programs come and go."""
        left = cls.now(before.mark).beyond(before)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            time.sleep(0.2)
            now = cls.now(before.mark).beyond(before)
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


def mark_sandboxes(mark: str) -> Callable[..., Any]:
    """Return a `Sandbox._launch` that puts `mark` into the environment of what it runs."""
    launch = Sandbox._launch

    def marked(sandbox: Sandbox, job: SandboxJob) -> Any:
        sandbox._environment["HARNESS_MARK"] = mark
        return launch(sandbox, job)

    return marked


def _ours(folder: Path, mark: str) -> bool:
    """Return whether a process belongs to a sandbox, by any trace of it.

    The mark, or its environment's HOME, its user id from a sandbox's range, or its parent.
    """
    if mark:
        return f"HARNESS_MARK={mark}\0".encode() in (folder / "environ").read_bytes()
    status = (folder / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if _of_a_program(int(fields["Uid"].split()[0])) or fields["PPid"] == str(os.getpid()):
        return True
    return b"HOME=/box\0" in (folder / "environ").read_bytes()
