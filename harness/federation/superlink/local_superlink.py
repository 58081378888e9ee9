"""`--superlink local`: a simulation SuperLink that lives as long as the run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.document import write_atomic
from harness.errors import FederationError, how_to_install

SUPERLINK_START_LIMIT_S = 90.0
"""Longest wait for the local SuperLink to answer: it takes 5-10 s on two cores."""

SUPERLINK_STOP_LIMIT_S = 10.0
"""Longest wait for the local SuperLink to end after it was asked to."""

CONNECTION = "harness"


@contextmanager
def local_superlink(
    folder: Path, environment: Mapping[str, str], logs: Path, stop: threading.Event
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Start a SuperLink on a free port, and end it.

    Args:
        folder: its configuration and temporary files.
        environment: of the SuperLink and the simulation that it starts.
        logs: folder of `superlink.log`.
        stop: set to give up waiting for it.

    Yields:
        The name of the connection, and the environment in which `flwr` knows it.

    Raises:
        FederationError: it does not start.
        KeyboardInterrupt: `stop` was set before it answered.
    """
    port = _free_port()
    write_atomic(
        folder / "config.toml",
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
        f'address = "127.0.0.1:{port}"\ninsecure = true\n',
    )
    known = {
        **environment,
        "FLWR_HOME": str(folder),
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_TMPDIR": str(folder),
        # The SuperLink starts `flwr-simulation` by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}",
    }
    # Ray puts the directory in which it is started on the path of its processes.
    empty = folder / "empty"
    empty.mkdir()
    command = [program("flower-superlink"), "--insecure", "--simulation", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--isolation", "subprocess"]
    with (logs / "superlink.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--disable-runtime-dependency-installation"],
            env=known,
            cwd=empty,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_answer(process, port, logs, stop)
            yield CONNECTION, known
        finally:
            process.terminate()
            try:
                process.wait(SUPERLINK_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(
    process: subprocess.Popen[bytes], port: int, logs: Path, stop: threading.Event
) -> None:
    end = time.monotonic() + SUPERLINK_START_LIMIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise FederationError(
                f"flower-superlink ended with code {process.returncode}; see {logs}/superlink.log"
            )
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            if stop.wait(0.2):
                raise KeyboardInterrupt from None
    raise FederationError(
        f"flower-superlink did not answer within {SUPERLINK_START_LIMIT_S:.0f} s;"
        f" see {logs}/superlink.log"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Return the command beside this Python, else on the path.

    Raises:
        FederationError: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        raise FederationError(f"command {name!r} is not installed; {how_to_install('run')}")
    return found
