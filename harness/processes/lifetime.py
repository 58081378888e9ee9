"""Children that end when this process does, however it ends: the guardian sees to it.

The guardian is a small process of its own. It learns who descends from the process that started it
(or from the one that it is told of), and when the pipe between the two closes, which the kernel
does even after SIGKILL, it ends every one of them that is left and deletes their folder. Run as a
script by path, so that it loads nothing of the harness.

An example: command 100 starts Ray's 101, and that a client, 102. After `kill -9 100` both have
process 1 as their parent: whoever looks for the children of 100 now finds none. The guardian saw
them before, and holds them by id and time of start, so that no later process of the same id is
taken for one of them. A process group would not do (Ray puts its processes into sessions of their
own), nor would Linux's signal at a parent's death (Ray's children are not ours, and it follows the
thread that started them).
"""

from __future__ import annotations

import contextlib
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

TOLD = "told"
"""Argument of a guardian that watches what it is told of, and no other child."""


class Guardian:
    """A context in which children end with this process, and at the latest with the context."""

    def __init__(self, folder: str = "", all_children: bool = True) -> None:
        """Prepare; `__enter__` starts the guardian.

        Args:
            folder: deleted with the last of the children; "" for none.
            all_children: guard whatever this process starts from now on, and what that starts;
                else only what `guard` names, and what that starts.
        """
        self.folder = folder
        self.all_children = all_children
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guardian:
        """Start the guardian."""
        root, others = TOLD, list[str]()
        if self.all_children:
            # Told, not seen at the first look: on a busy machine the guardian takes a while to
            # start, and would take the first children that it is to guard for older ones.
            root = str(os.getpid())
            others = [str(pid) for pid in _descendants([os.getpid()])]
        # A session of its own: Ctrl-C in a terminal reaches a whole process group.
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__, root, self.folder, *others],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def guard(self, child: int) -> None:
        """Name a child by its process id, so that no look at all children is waited for.

        Where the guardian itself was ended, the child goes on: it ends with its own work.
        """
        assert self.process is not None
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{child}\n".encode())
            self.process.stdin.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the guardian clean up, and wait until it has."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()


class Descendants:
    """The processes that descend, or descended while it lived, from one process."""

    def __init__(self, root: int | None, others: set[int]) -> None:
        """Watch the descendants of the process `root` that are not among `others`."""
        self.roots = [] if root is None else [root]
        self.others = others
        self.members: dict[int, Any] = {}

    def add(self, pid: int) -> None:
        """Watch a process and its descendants."""
        import psutil

        try:
            self.members[pid] = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return

    def look(self) -> None:
        """Learn of new ones, also of those whose parent has died since the last look."""
        self.members = {pid: one for pid, one in self.members.items() if _lives(one)}
        for pid in _descendants([*self.roots, *self.members]):
            if pid not in self.others and pid not in self.members:
                self.add(pid)

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


def _descendants(roots: list[int]) -> list[int]:
    """Return the ids of all that descend from `roots`, by one look at all processes.

    psutil's own `children` takes such a look for each process that it is asked of: with the thirty
    processes of a simulation, twice a second, a tenth of a core.
    """
    import psutil

    children: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process.pid)
    found, waiting = list[int](), list(roots)
    while waiting:
        born = children.pop(waiting.pop(), [])
        found += born
        waiting += born
    return found


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Watch until the pipe closes; arguments: process id or `told`, folder, ids of older ones."""
    root, folder, *older = sys.argv[1:]
    # This program is not the command: it answers no signal and ends when its pipe does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    others = {os.getpid(), *(int(pid) for pid in older)}
    watched = Descendants(None if root == TOLD else int(root), others)
    told = b""
    while True:
        if not select.select([sys.stdin], [], [], WATCH_S)[0]:
            watched.look()
            continue
        read = os.read(sys.stdin.fileno(), 4096)
        if not read:
            break
        *ids, told = (told + read).split(b"\n")
        for child in ids:
            watched.add(int(child))
    watched.end(PATIENCE_S)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
