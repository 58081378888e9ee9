"""The processes that a simulation starts: found, watched and ended by their ids."""

from __future__ import annotations

import contextlib
import time

import psutil

ACTOR = "ray::ClientAppActor"
"""How Ray titles a process that runs clients. While one works, the title ends in `.run`."""


class Brood:
    """Processes that descend from this one and were not there before."""

    def __init__(self) -> None:
        """Remember the children that this process has already."""
        self.me = psutil.Process()
        self.before = {child.pid for child in self.me.children(recursive=True)}
        self.seen: dict[int, psutil.Process] = {}

    def members(self) -> list[psutil.Process]:
        """Return the living processes that were started since, also those whose parent has died."""
        for child in self.me.children(recursive=True):
            if child.pid not in self.before:
                self.seen.setdefault(child.pid, child)
        self.seen = {pid: child for pid, child in self.seen.items() if _alive(child)}
        return list(self.seen.values())

    def actors(self, working: bool = False) -> list[psutil.Process]:
        """Return the client processes; only those at work when `working`."""
        title = f"{ACTOR}.run" if working else ACTOR
        return [child for child in self.members() if _title(child).startswith(title)]

    def await_actors(self, count: int, limit_s: float) -> bool:
        """Wait until `count` client processes live; False when they do not within `limit_s`."""
        end = time.monotonic() + limit_s
        while len(self.actors()) < count:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def end(self, patience_s: float = 5.0) -> None:
        """End all members: SIGTERM, then SIGKILL for who is left after `patience_s` seconds."""
        members = self.members()
        for child in members:
            _signal(child, "terminate")
        _, left = psutil.wait_procs(members, timeout=patience_s)
        for child in set(left) | set(self.members()):
            _signal(child, "kill")
        psutil.wait_procs(self.members(), timeout=patience_s)


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL processes; those that are gone already are fine."""
    for process in processes:
        _signal(process, "kill")


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, how)()


def _title(process: psutil.Process) -> str:
    try:
        line = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    return line[0] if line else ""


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
