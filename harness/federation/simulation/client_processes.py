"""The client processes of a simulation, found and ended by their ids."""

from __future__ import annotations

import contextlib
import sys
import time

import psutil

from harness.library_internals.ray import ACTOR_TITLE

CLIENT_START_LIMIT_S = 120.0
"""Longest wait for a client process to be there again after one died: Ray takes 2-5 s."""


def actors(working: bool = False) -> list[psutil.Process]:
    """Return this process's client processes; only those at work when `working`."""
    title = f"{ACTOR_TITLE}.run" if working else ACTOR_TITLE
    children = psutil.Process().children(recursive=True)
    return [child for child in children if _title(child).startswith(title)]


def replace_working(count: int) -> None:
    """End the client processes that still work on what has failed; wait for `count` live ones.

    Ray starts another for each that dies. Where no simulation runs in this process, there is
    nothing to end and nothing to wait for.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return
    kill(actors(working=True))
    end = time.monotonic() + CLIENT_START_LIMIT_S
    while len(actors()) < count and time.monotonic() < end:
        time.sleep(0.1)


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
