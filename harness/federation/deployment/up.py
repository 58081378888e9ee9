"""`harness up`: a whole deployment on this machine, for as long as the command runs."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.document import read_document, write_atomic, write_document
from harness.errors import FederationError, UsageError
from harness.federation.deployment.credentials import CA, node_key, write_credentials
from harness.federation.deployment.kept_alive import NODE_PAUSE_S, Kept, end_all
from harness.federation.deployment.plan import Deployment, Places
from harness.federation.superlink.local_superlink import program
from harness.federation.superlink.remote_run import CALLER, UP
from harness.processes.import_paths import isolated
from harness.processes.lifetime import Guardian

DEPLOYMENT_FILE = "deployment.json"
"""In a deployment's folder: what it is."""

START_LIMIT_S = 300.0
"""Longest wait for the SuperLink to answer, and again for all SuperNodes to be connected."""

LOOK_S = 1.0

Say = Callable[[str], None]


def prepare(deployment: Deployment, folder: Path) -> Places:
    """Write credentials and configuration into a new folder; one that is there is gone on with.

    Raises:
        UsageError: the folder holds another deployment, or something else.
    """
    places = Places(folder)
    kept = places.folder / DEPLOYMENT_FILE
    if kept.is_file():
        if read_document(Deployment, kept) != deployment:
            raise UsageError(
                f"{folder}: holds another deployment; name a new --folder, or remove this one"
            )
        return places
    if places.folder.exists() and any(places.folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new --folder")
    write_credentials(places.keys, deployment.names(), deployment.supernodes)
    write_atomic(places.caller / "config.toml", deployment.connection(places.keys))
    write_document(kept, deployment)
    return places


@contextmanager
def up(
    deployment: Deployment, folder: Path, say: Say, stop: threading.Event
) -> Iterator[list[Kept]]:
    """Start a deployment and see that it stays up; all of it ends with this context.

    Args:
        deployment: what to start.
        folder: of its files.
        say: told what happens.
        stop: set to give up.

    Yields:
        Its processes, once every SuperNode is connected.

    Raises:
        UsageError: the folder is of another deployment, or a port is taken.
        FederationError: the SuperLink does not start, or SuperNodes do not connect.
        KeyboardInterrupt: `stop` was set.
    """
    ports = [deployment.first_runtime_port + number for number in range(deployment.supernodes)]
    refuse_taken_ports(deployment.address, deployment.port, ports)
    places = prepare(deployment, folder)
    for path in (places.logs, places.runs, places.database.parent):
        path.mkdir(parents=True, exist_ok=True)
    base = isolated(os.environ)
    base["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', '')}"
    link = Kept(
        "the SuperLink",
        deployment.superlink(places.keys, places.database),
        places.environment("superlink", base),
        places.logs / "superlink.log",
    )
    nodes = places.environment("nodes", base)
    supernodes = [
        Kept(
            f"SuperNode {partition}",
            deployment.supernode(places.keys, partition, port),
            nodes,
            places.logs / f"supernode-{partition:05}.log",
            NODE_PAUSE_S,
        )
        for partition, port in enumerate(ports)
    ]
    worker = Kept(
        "`harness node`", deployment.worker(places.keys, ports), nodes, places.logs / "node.log"
    )
    every = [link, *supernodes, worker]
    with Guardian():
        try:
            say(f"starting a SuperLink on {deployment.address}:{deployment.port}")
            link.start()
            _await_superlink(deployment, places, link, stop)
            _register(deployment, places, base)
            say(f"starting {deployment.supernodes} SuperNodes")
            for item in (*supernodes, worker):
                item.start()
            _await_supernodes(deployment, places, base, stop)
            ended = threading.Event()
            watch = threading.Thread(target=_watch, args=(every, say, ended), daemon=True)
            watch.start()
            try:
                yield every
            finally:
                ended.set()
                watch.join()
        finally:
            end_all(every)


def refuse_taken_ports(address: str, port: int, runtime_ports: Sequence[int]) -> None:
    """Refuse a deployment beside another one, or beside anything else that listens on its ports.

    Args:
        address: where the SuperLink listens.
        port: on which port.
        runtime_ports: of the SuperNodes, on 127.0.0.1.

    Raises:
        UsageError: one of the ports is taken.
    """
    for host, number in ((address, port), *(("127.0.0.1", item) for item in runtime_ports)):
        try:
            socket.create_server((host, number)).close()
        except OSError as error:
            # A name that others reach this machine by need not be one of its own addresses.
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"port {number} of {host} is taken, perhaps by another `harness up`; end what"
                    " listens there, or choose another --port"
                ) from error


def _watch(every: list[Kept], say: Say, ended: threading.Event) -> None:
    while not ended.wait(LOOK_S):
        for item in every:
            item.look(say)


def _await_superlink(
    deployment: Deployment, places: Places, link: Kept, stop: threading.Event
) -> None:
    import ssl

    import httpx

    trusted = ssl.create_default_context(cafile=str(places.keys / CA))
    url = f"https://{deployment.address}:{deployment.port}/health"
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        assert link.process is not None
        if link.process.poll() is not None:
            raise FederationError(f"the SuperLink ended; see {link.log}")
        try:
            if httpx.get(url, verify=trusted, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if stop.wait(0.3):
            raise KeyboardInterrupt
    raise FederationError(f"the SuperLink did not answer for {START_LIMIT_S:.0f} s; see {link.log}")


def _register(deployment: Deployment, places: Places, base: dict[str, str]) -> None:
    keys = [str(places.keys / f"{node_key(number)}.pub") for number in range(deployment.supernodes)]
    done = subprocess.run(
        [sys.executable, "-m", "harness.federation.deployment.register", UP, *keys],
        env=places.environment(CALLER, base),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise FederationError(f"SuperNodes cannot be registered: {said}")


def connected(places: Places, base: dict[str, str]) -> int:
    """Return how many SuperNodes are connected, by `flwr supernode list`."""
    done = subprocess.run(
        [program("flwr"), "supernode", "list", UP, "--format", "json"],
        env=places.environment(CALLER, base),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    begin = done.stdout.find("{")
    try:
        value = json.loads(done.stdout[begin:]) if begin >= 0 else {}
    except ValueError:
        value = {}
    return sum(node.get("status") == "online" for node in value.get("nodes", []))


def _await_supernodes(
    deployment: Deployment, places: Places, base: dict[str, str], stop: threading.Event
) -> None:
    end = time.monotonic() + START_LIMIT_S
    found = 0
    while time.monotonic() < end:
        found = connected(places, base)
        if found >= deployment.supernodes:
            return
        if stop.wait(2.0):
            raise KeyboardInterrupt
    raise FederationError(
        f"{found} of {deployment.supernodes} SuperNodes connected within {START_LIMIT_S:.0f} s;"
        f" see {places.logs}"
    )
