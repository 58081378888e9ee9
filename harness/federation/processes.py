"""The client processes of a simulation, found and ended by their ids."""

from __future__ import annotations

import contextlib
import time

import psutil

ACTOR = "ray::ClientAppActor"
"""How Ray titles a process that runs clients. While one works, the title ends in `.run`."""


def actors(working: bool = False) -> list[psutil.Process]:
    """Return this process's client processes; only those at work when `working`."""
    title = f"{ACTOR}.run" if working else ACTOR
    children = psutil.Process().children(recursive=True)
    return [child for child in children if _title(child).startswith(title)]


def await_actors(count: int, limit_s: float) -> bool:
    """Wait until `count` client processes live; False when they do not within `limit_s`."""
    end = time.monotonic() + limit_s
    while len(actors()) < count:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def children_with(text: str) -> list[psutil.Process]:
    """Return this process's descendants that have `text` on their command line."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if text in " ".join(_command(child))]


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL processes; those that are gone already are fine."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _title(process: psutil.Process) -> str:
    line = _command(process)
    return line[0] if line else ""


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
