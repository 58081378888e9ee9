"""What Ray starts as its worker: it has a fork of the clients' origin go on in its place.

Run as a script by path, of the standard library alone: each client waits for it. Where the origin
forks no more, it goes on by itself as Ray's worker.
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import sys

ORIGIN = "HARNESS_CLIENT_ORIGIN"
"""Environment variable: the path of the origin's socket."""

CLIENTS = "HARNESS_CLIENTS"
"""Environment variable: how many clients work at once."""

PROGRAM = "HARNESS_RAY_WORKER"
"""Environment variable: the path of the script that Ray would have run."""


def handed_over(path: str) -> bool:
    """Return whether a fork goes on with this process's work."""
    asked = {
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }
    try:
        with socket.socket(socket.AF_UNIX) as origin:
            origin.connect(path)
            socket.send_fds(origin, [json.dumps(asked).encode()], [0, 1, 2])
            origin.shutdown(socket.SHUT_WR)
            return bool(origin.recv(1))
    except OSError:  # it has forked all that it was to fork, or ended
        return False


def work(arguments: list[str]) -> None:
    """Be Ray's worker, in this process."""
    sys.argv[:] = [os.environ[PROGRAM], *arguments]
    runpy.run_path(os.environ[PROGRAM], run_name="__main__")


if __name__ == "__main__":
    if not handed_over(os.environ[ORIGIN]):
        work(sys.argv[1:])
