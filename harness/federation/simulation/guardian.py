"""The guardian: a small process that ends what a simulation started, however the simulation ended.

It watches the descendants of the process that started it. When the pipe between the two closes,
which the kernel does even after SIGKILL, it ends every one of them that is left and deletes the
simulation's folder. Run as a script by path, so that it loads nothing of the harness.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

WATCH_S = 0.5
"""Time between two looks at the descendants."""

PATIENCE_S = 10.0
"""Longest time that the guardian waits for what it has killed to be gone."""


class Guardian:
    """Context of one simulation."""

    def __init__(self, folder: str) -> None:
        """Guard the simulation whose temporary files lie in `folder`."""
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guardian:
        """Start the guardian."""
        # A session of its own: Ctrl-C in a terminal reaches a whole process group.
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(os.getpid()), self.folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the guardian clean up, and wait until it has."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()


class Descendants:
    """The processes that descend, or descended while it lived, from one process."""

    def __init__(self, root: int) -> None:
        """Watch the descendants of the process `root`; those it has already are not its own."""
        self.root = root
        self.others = {os.getpid()} | {process.pid for process in self._children(root)}
        self.members: dict[int, Any] = {}

    def look(self) -> None:
        """Learn of new ones, also of those whose parent has died since the last look."""
        for pid in [self.root, *self.members]:
            for process in self._children(pid):
                if process.pid not in self.others:
                    self.members.setdefault(process.pid, process)
        self.members = {pid: one for pid, one in self.members.items() if _lives(one)}

    def _children(self, pid: int) -> list[Any]:
        import psutil

        try:
            children: list[Any] = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return children

    def end(self, patience_s: float) -> None:
        """SIGKILL them until none is left or `patience_s` seconds have passed."""
        import psutil

        end = time.monotonic() + patience_s
        self.look()
        while self.members and time.monotonic() < end:
            for process in self.members.values():
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.1)
            self.look()


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Watch until the pipe closes; arguments: process id, folder."""
    root, folder = int(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watched = Descendants(root)
    while not select.select([sys.stdin], [], [], WATCH_S)[0]:
        watched.look()
    watched.end(PATIENCE_S)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
