"""Client processes that have their libraries when they begin: forks of one that imported them.

Ray starts a client once it has started itself, and a client then imports for 5 s. So a process of
ours, the origin, imports meanwhile and loads the base model, which its forks share. What Ray starts
in place of its worker (`ray_worker`) hands its arguments, environment and open files to the origin
and ends; a fork of the origin goes on as Ray's worker. When as many were forked as clients work at
once, the origin becomes a process that holds nothing. A client that Ray starts later, in place of
one that died, imports and loads for itself.

Not where there are GPUs, since CUDA does not outlive a fork, and on Linux alone: on a Mac a process
that has loaded Apple's libraries for linear algebra may not be forked.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from harness.document import parse_document, parse_json
from harness.federation.job import Job
from harness.federation.simulation import ray_worker
from harness.federation.simulation.environment import child_environment, environment
from harness.library_internals.ray import worker_program
from harness.processes.loading import loading

WAIT = "import os\nwhile True: os.wait()"
"""What the origin becomes: its clients stay its children, and it ends after the last of them."""


@contextmanager
def client_origin(job: Job, folder: str) -> Iterator[str | None]:
    """Load what clients need in a process that they can be forked from, while this context lasts.

    Args:
        job: the run.
        folder: for its socket and temporary files; the path is short.

    Yields:
        The path of its socket; None where clients use a GPU, and elsewhere than on Linux.
    """
    spec = job.spec
    if spec.compute.device != "cpu" or sys.platform != "linux":
        yield None
        return
    path = os.path.join(folder, "origin")
    with closing(socket.socket(socket.AF_UNIX)) as listener, tempfile.TemporaryFile() as given:
        given.write(job.canonical_json().encode())
        given.seek(0)
        listener.bind(path)
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", __spec__.name, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            # First, and never changed: Ray finds where a process's title lies by the place of the
            # first variable.
            env={ray_worker.ORIGIN: path, **child_environment(spec, folder)},
            stdin=given,
            # What libraries say is heard, and what they lack is told, where a client imports them.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for who ends the clients
        )
    try:
        yield path
    finally:
        process.kill()
        process.wait()


def to_origin(path: str | None, clients: int) -> dict[str, str]:
    """Return the environment variables by which `ray_worker` finds the origin at `path`."""
    if path is None:
        return {}
    return {
        ray_worker.ORIGIN: path,
        ray_worker.CLIENTS: str(clients),
        ray_worker.PROGRAM: worker_program(),
    }


def main() -> None:
    """Import, load, and fork; its argument is the listening socket, its input the job."""
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        with loading():
            import harness.federation.simulation.client_libraries  # noqa: F401
            from harness.training.base_model import load_shared

            # What stays is not looked through for garbage, which took 0.3 s, nor, since it is
            # shared, written to by such a search.
            gc.freeze()
        job = parse_document(Job, parse_json(sys.stdin.buffer.read().decode(), "job"), "job")
        load_shared(job.spec, job.assets.model_dir)
        forked, wanted = 0, 1
        while forked < wanted:
            wanted = _fork(listener)
            forked += 1
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", WAIT])


def _fork(listener: socket.socket) -> int:
    """Fork for the next one that asks, and return how many will; the fork does not return."""
    asking, _ = listener.accept()
    with asking:
        text, files, *_ = socket.recv_fds(asking, 1 << 16, 3)
        while part := asking.recv(1 << 16):
            text += part
        asked = json.loads(text)
        with warnings.catch_warnings():
            # Python warns of other threads: those of OpenBLAS, which makes new ones in a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            listener.close()
            asking.close()
            _become(asked, files)
        for file in files:
            os.close(file)
        asking.sendall(b"forked")
    return int(asked["environment"][ray_worker.CLIENTS])


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """Go on as the process that asked would have; end as it would have ended."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["folder"])
    with environment(asked["environment"]):
        ray_worker.work(asked["arguments"])
    sys.exit()


if __name__ == "__main__":
    main()
