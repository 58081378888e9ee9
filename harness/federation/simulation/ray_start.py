"""What Ray's start needs and has no option for: more time, fewer processes, short paths.

Source: ray 2.55 `ray._private.node.Node`.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.federation.simulation.client_processes import children_with

RAY_START_LIMIT_S = 300.0
"""Longest wait for Ray's own processes to be there: 3 s on two idle cores, minutes on busy ones."""

RAY_POLL_S = 0.2

RAYLET = "/raylet/raylet"
"""On the command line of the process that is awaited; one that has died is not awaited."""

LONGEST_PARENT = 17
"""Characters of a folder in which Ray's folder may lie: a socket's path has at most 107, and what
comes below takes up to 90 (`/harness-flwr-12345678/ray/session_.../sockets/plasma_store`)."""

UNUSED = {"no_monitor": True, "include_log_monitor": False}
"""Parameters that leave out the autoscaler and the log reader: each is a Python process that
imports all of Ray, and a simulation on one machine uses neither."""


def ray_folder(prefix: str) -> str:
    """Return a new folder for Ray's files: where temporary files go, or in /tmp if that is long."""
    parent = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix=prefix, dir=parent if len(parent) <= LONGEST_PARENT else "/tmp")


@contextmanager
def eased_start(stop: threading.Event) -> Iterator[None]:
    """Make `ray.init` patient and light while this context lasts.

    Args:
        stop: set to give up; `ray.init` then raises KeyboardInterrupt.
    """
    from ray._private import parameter, services

    whole, ask = parameter.RayParams, services.get_node

    class Lean(whole):  # type: ignore[misc, valid-type]  # Ray is untyped to mypy here
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for name, value in UNUSED.items():
                setattr(self, name, value)

    def get_node(*args: Any, **kwargs: Any) -> Any:
        # Ray asks for its own node for 30 s; an answer that takes longer is awaited here.
        end = time.monotonic() + RAY_START_LIMIT_S
        while True:
            try:
                return ask(*args, **kwargs)
            except RuntimeError:
                if stop.wait(RAY_POLL_S):
                    raise KeyboardInterrupt from None
                if time.monotonic() > end or not children_with(RAYLET):
                    raise

    parameter.RayParams, services.get_node = Lean, get_node
    try:
        yield
    finally:
        parameter.RayParams, services.get_node = whole, ask
