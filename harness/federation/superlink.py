"""The other engine: the same ServerApp and ClientApp through `flwr run` on a SuperLink."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.document import pretty_json, read_document, write_atomic
from harness.errors import FederationError
from harness.federation.flower_app import write_app
from harness.federation.guardian import Guardian
from harness.federation.ledger import Ledger
from harness.federation.options import FederationOutcome, Options
from harness.federation.simulation import child_environment, stop_on_signals
from harness.federation.wire import Job
from harness.progress import Meter

LOCAL = "local"
"""`--superlink local`: a simulation SuperLink that lives as long as the run."""

START_LIMIT_S = 90.0
"""Longest wait for the local SuperLink to answer: it takes 5-10 s on two cores."""

STOP_LIMIT_S = 20.0
"""Longest wait for the ServerApp to end after it was asked to."""

CONNECTION = "harness"


def federate_on_superlink(
    job: Job, run_dir: Path, options: Options, actors: int
) -> FederationOutcome:
    """Run, or go on with, a federation through a SuperLink; see `engine.federate`.

    Args:
        job: the run.
        run_dir: must be reachable from the ServerApp under the same path.
        options: `superlink` is `local` or a connection of Flower's own configuration.
        actors: client processes of a simulation.
    """
    from harness.federation.server import LOGS
    from harness.federation.server_app import ORDER, OUTCOME, STOP, Order, Outcome, error_of

    run_dir = run_dir.absolute()
    logs = run_dir / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    for name in (OUTCOME, STOP):
        (logs / name).unlink(missing_ok=True)
    app = run_dir / "app"
    shutil.rmtree(app, ignore_errors=True)
    write_app(app, job.spec, job.challenge, run_dir=str(run_dir), mirror="")
    order = Order(job=job, options=options.with_values(quiet=True), actors=actors)
    write_atomic(run_dir / ORDER, pretty_json(order.model_dump(mode="json")))
    stop = threading.Event()
    folder = tempfile.mkdtemp(prefix="harness-flwr-")
    environment = os.environ | child_environment(job.spec)
    with Guardian(folder), stop_on_signals(stop) as interrupted:
        name = str(options.superlink)
        with _superlink(name, folder, environment, logs) as connection:
            _run(app, connection, job, actors, environment, logs, stop, options.quiet)
    if interrupted:
        raise KeyboardInterrupt
    if not (logs / OUTCOME).is_file():
        raise FederationError(
            f"`flwr run` on {options.superlink!r} ended without a result; see {logs}/flwr-run.log"
        )
    outcome = read_document(Outcome, logs / OUTCOME)
    if outcome.error:
        raise error_of(outcome)
    return FederationOutcome(
        rounds=tuple(Ledger(run_dir).rounds),
        roster_sha256=outcome.roster_sha256,
        facts=outcome.facts,
        duration_s=outcome.duration_s,
        actors=actors,
    )


def _run(
    app: Path,
    connection: str,
    job: Job,
    actors: int,
    environment: dict[str, str],
    logs: Path,
    stop: threading.Event,
    quiet: bool,
) -> None:
    from harness.federation.server_app import OUTCOME, STOP

    gpu = 1.0 / actors if job.spec.compute.device == "cuda" else 0.0
    config = (
        f"num-supernodes={job.challenge.num_supernodes} client-resources-num-cpus=1"
        f" client-resources-num-gpus={gpu} init-args-num-cpus={actors}"
    )
    command = [_program("flwr"), "run", str(app), connection, "--federation-config", config]
    run_dir = logs.parent
    meter = Meter("training", job.spec.train.rounds, "rounds", quiet=quiet)
    with (logs / "flwr-run.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--stream"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None and not stop.wait(0.3):
                done = len(Ledger(run_dir).rounds) - meter.done
                if done > 0:
                    meter.advance(done)
            if stop.is_set():
                (logs / STOP).touch()
                _await_file(logs / OUTCOME, STOP_LIMIT_S)
        finally:
            process.terminate()
            process.wait()


def _await_file(path: Path, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not path.is_file() and time.monotonic() < end:
        time.sleep(0.1)


@contextmanager
def _superlink(name: str, folder: str, environment: dict[str, str], logs: Path) -> Iterator[str]:
    """Yield the name of a connection; `local` starts a SuperLink of its own and ends it."""
    if name != LOCAL:
        yield name
        return
    port = _free_port()
    home = Path(folder)
    write_atomic(
        home / "config.toml",
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
        f'address = "127.0.0.1:{port}"\ninsecure = true\n',
    )
    environment |= {
        "FLWR_HOME": folder,
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_TMPDIR": folder,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    command = [_program("flower-superlink"), "--insecure", "--simulation", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--isolation", "subprocess"]
    with (logs / "superlink.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--disable-runtime-dependency-installation"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_superlink(process, port, logs)
            yield CONNECTION
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_superlink(process: subprocess.Popen[bytes], port: int, logs: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
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
            time.sleep(0.2)
    raise FederationError(
        f"flower-superlink did not answer within {START_LIMIT_S:.0f} s; see {logs}/superlink.log"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(name: str) -> str:
    """Return the command beside this Python, else on the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        raise FederationError(f"command {name!r} is not installed; install flowertune-harness[run]")
    return found
