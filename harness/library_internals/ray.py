"""Ray's internals: a start with more time and fewer processes, events off stdout, process titles,
and whether its node runs.

`ray.init` has no option for any of it: the wait of 30 s is a literal in `Node.__init__`, the two
processes are constructor arguments that it does not hand on, and events are printed.

Source: ray 2.55, `_private/node.py`, `_private/parameter.py`, `_private/services.py`,
`_private/worker.py`, `_private/client_mode_hook.py`, `_raylet.pyx`.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

ACTOR_TITLE = "ray::ClientAppActor"
"""How Ray titles a process that runs clients. While one works, the title ends in `.run`."""

RAYLET_PROGRAM = "/raylet/raylet"
"""On the command line of Ray's node, the process that `ray.init` waits for."""

LONGEST_PARENT = 17
"""Characters of a folder in which Ray's folder may lie: a socket's path has at most 107, and what
comes below takes up to 90 (`/harness-flwr-12345678/ray/session_.../sockets/plasma_store`)."""

CLIENT_MODE = "RAY_CLIENT_MODE"
"""The variable that each process sets as it imports Ray. A process whose environment came with it,
and as its first (the order is drawn anew for each), cannot be titled: Ray looks for the place of
the title next to the first variable, and setting one moves it."""

RAY_POLL_S = 0.2

UNUSED = {"no_monitor": True, "include_log_monitor": False}
"""Parameters that leave out the autoscaler and the log reader: each is a Python process that
imports all of Ray, and a simulation on one machine uses neither. The server of Ray's web page is
left out as well: `include_dashboard=False` starts it without the page, 0.9 s and 77 MiB."""


def worker_program() -> str:
    """Return the path of the script that Ray's node runs for each worker; Ray is not imported."""
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return os.path.join(os.path.dirname(spec.origin), "_private", "workers", "default_worker.py")


def ray_folder(prefix: str) -> str:
    """Return a new folder for Ray's files: where temporary files go, or in /tmp if that is long."""
    parent = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix=prefix, dir=parent if len(parent) <= LONGEST_PARENT else "/tmp")


def start_ray(folder: str, **options: Any) -> None:
    """Call `ray.init` so that its files go below `folder` and its workers import from nowhere else
    than this Python.

    Ray would add the current directory and the script's folder to its workers' path, and has no
    option for it: what lies there would be imported in place of what is installed.

    Args:
        folder: short enough for the paths of sockets; see `ray_folder`.
        options: of `ray.init`.
    """
    import ray

    # With it, 5 of 25 clients had no title where two other variables were set, and 1 of some 45 in
    # a common shell: they were neither found nor ended when they hung.
    os.environ.pop(CLIENT_MODE, None)
    ray.init(_temp_dir=folder, job_config=_without_paths(), **options)


def join_ray(address: str, variables: Mapping[str, str], **options: Any) -> None:
    """Call `ray.init` for a cluster that is there; nothing of it is started, or ended later.

    Args:
        address: as `ray.init` takes it.
        variables: environment of the workers, on top of what their nodes have.
        options: of `ray.init`.
    """
    import ray

    around = {"env_vars": dict(variables)}
    ray.init(address=address, job_config=_without_paths(), runtime_env=around, **options)


@contextmanager
def node_watched() -> Iterator[Callable[[], bool]]:
    """Yield what says whether Ray's node on this machine, which this process joined, still runs.

    The kernel closes a connection to it when the node ends, however it ends.
    """
    try:
        line = _to_node()
    except OSError:
        yield lambda: False
        return
    with line:
        yield lambda: not select.select([line], [], [], 0)[0]


def leave_ray() -> None:
    """Call `ray.shutdown`, unless the node is gone: Ray ends a process that says goodbye to such a
    node, with code 1 and no word."""
    import ray

    if not ray.is_initialized():
        return
    with suppress(OSError):
        _to_node().close()
        ray.shutdown()


def _to_node() -> socket.socket:
    from ray._private import worker

    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(worker.global_worker.node.raylet_socket_name)
    except OSError:
        line.close()
        raise
    return line


def _without_paths() -> Any:
    from ray.job_config import JobConfig

    class WithoutPaths(JobConfig):  # type: ignore[misc]  # Ray is untyped to mypy here
        @property
        def _py_driver_sys_path(self) -> list[str]:
            return []

        @_py_driver_sys_path.setter
        def _py_driver_sys_path(self, value: list[str]) -> None:
            """Ray sets an empty one when it makes the job."""

    return WithoutPaths()


@contextmanager
def eased_start(
    stop: threading.Event, raylet_lives: Callable[[], object], limit_s: float, worker: str | None
) -> Iterator[None]:
    """Make `ray.init` patient and light while this context lasts.

    Args:
        stop: set to give up; `ray.init` then raises KeyboardInterrupt.
        raylet_lives: whether the node that is awaited still runs; one that has died is not awaited.
        limit_s: longest wait for the node, instead of Ray's 30 s.
        worker: script that the node runs for each worker; None: Ray's own.
    """
    from ray._private import node, parameter, services

    whole, ask, serve = parameter.RayParams, services.get_node, node.Node.start_api_server

    def get_node(*args: Any, **kwargs: Any) -> Any:
        # Ray gives up when this raises 30 s after its first call; so one call takes all the time.
        end = time.monotonic() + limit_s
        while True:
            try:
                return ask(*args, **kwargs)
            except RuntimeError:
                if stop.wait(RAY_POLL_S):
                    raise KeyboardInterrupt from None
                if time.monotonic() > end or not raylet_lives():
                    raise

    changed = UNUSED if worker is None else {**UNUSED, "worker_path": worker}
    parameter.RayParams, services.get_node = functools.partial(whole, **changed), get_node
    node.Node.start_api_server = lambda self, **options: None
    try:
        yield
    finally:
        parameter.RayParams, services.get_node, node.Node.start_api_server = whole, ask, serve


@contextmanager
def events_sent_to(receive: Callable[[str], None]) -> Iterator[None]:
    """Give the lines that Ray would print on stdout to `receive` while this context lasts.

    `log_to_driver=False` silences what workers print, not Ray's own errors: a thread of `ray.init`
    prints those whatever its options say, and stdout belongs to `--json`.
    """
    from ray._private import worker

    printing = worker.print_to_stdstream

    def print_to_stdstream(data: dict[str, Any], ignore_prefix: bool = False) -> None:
        for line in data.get("lines", ()):
            receive(line)

    worker.print_to_stdstream = print_to_stdstream
    try:
        yield
    finally:
        worker.print_to_stdstream = printing


def end_at_once_on_sigterm() -> None:
    """Let SIGTERM end this process as SIGKILL would, where it is one of Ray's workers.

    Ray's own handler raises SystemExit in whatever runs and then says goodbye for seconds: time in
    which the process looks like one that can be asked again, and is not started anew.
    """
    worker = sys.modules.get("ray._private.worker")
    if worker is None or threading.current_thread() is not threading.main_thread():
        return
    if worker.global_worker.mode == worker.WORKER_MODE:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
