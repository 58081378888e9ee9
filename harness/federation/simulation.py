"""The in-process engine: Flower's simulation with Ray actors, started, watched and ended."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import FederationError
from harness.federation.guardian import Guardian
from harness.federation.options import FederationOutcome
from harness.federation.processes import actors as client_processes
from harness.federation.processes import await_actors, children_with, kill
from harness.spec import RunSpec

MIB = 2**20
ACTOR_START_LIMIT_S = 120.0
"""Longest wait for a client process to be there again after one died: Ray takes 2-5 s."""

START_ATTEMPTS = 3
"""Ray gives its own processes 30 s to start, which a busy machine exceeds."""

JOIN_LIMIT_S = 15.0
"""Longest wait for Flower's threads to end once their clients are gone."""

QUIET: dict[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
"""Environment of the client processes: no telemetry, no network, one deterministic cuBLAS. Ray's
memory monitor would kill clients for what other programs use; ours is a limit of its own."""

Serve = Callable[[Any, threading.Event, Callable[[], None]], FederationOutcome]
"""(Flower's grid, stop, recover) -> outcome: the server, whichever engine calls it."""


def simulate(
    serve: Serve,
    spec: RunSpec,
    num_supernodes: int,
    actors: int,
    message_bytes: int,
    logs: Path,
) -> FederationOutcome:
    """Run the server and `num_supernodes` simulated nodes in this process and its children.

    Args:
        serve: the server.
        spec: the run; its device and threads.
        num_supernodes: simulated nodes.
        actors: client processes.
        message_bytes: one train message, which sizes Ray's object store.
        logs: folder for Flower's log.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; all children are gone.
        HarnessError: whatever the server raised.
    """
    stop = threading.Event()
    result: dict[str, Any] = {}
    folder = tempfile.mkdtemp(prefix="harness-ray-")
    with (
        Guardian(folder),
        _environment(spec),
        _flower_log(logs),
        stop_on_signals(stop) as interrupted,
    ):
        try:
            _start_ray(actors, spec.compute.device == "cuda", message_bytes, folder)
            thread = threading.Thread(
                target=_run_flower,
                args=(serve, num_supernodes, actors, spec, stop, result),
                name="flower",
                daemon=True,
            )
            thread.start()
            while thread.is_alive() and not stop.is_set():
                thread.join(0.2)
            if stop.is_set():
                kill(client_processes())
                thread.join(JOIN_LIMIT_S)
        finally:
            _stop_ray()
    if interrupted:
        raise KeyboardInterrupt
    if "outcome" in result:
        return result["outcome"]  # type: ignore[no-any-return]
    error = result.get("error")
    if error is None:
        error = FederationError("Flower's simulation ended without a result; see logs/flower.log")
    raise error


def _run_flower(
    serve: Serve,
    num_supernodes: int,
    actors: int,
    spec: RunSpec,
    stop: threading.Event,
    result: dict[str, Any],
) -> None:
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    from harness.federation.client import app as client_app

    server_app = ServerApp()

    def recover() -> None:
        kill(client_processes(working=True))
        await_actors(actors, ACTOR_START_LIMIT_S)

    @server_app.main()  # type: ignore[untyped-decorator]
    def main(grid: Any, context: Any) -> None:
        try:
            result["outcome"] = serve(grid, stop, recover)
        except BaseException as error:
            result["error"] = error
            # Flower waits for the clients at work before it ends: they have nothing left to do.
            kill(client_processes(working=True))

    resources = {
        "num_cpus": 1,
        "num_gpus": 1.0 / actors if spec.compute.device == "cuda" else 0.0,
        # Ray option, passed on by Flower: a client process that dies is started again.
        "max_restarts": -1,
    }
    try:
        run_simulation(
            server_app, client_app, num_supernodes, backend_config={"client_resources": resources}
        )
    except BaseException as error:
        result.setdefault("error", FederationError(f"Flower's simulation failed: {error}"))


def _start_ray(actors: int, cuda: bool, message_bytes: int, folder: str) -> None:
    import ray

    # Two messages under way per actor, each there and back, and never under Ray's own minimum.
    store = max(160 * MIB, 4 * actors * message_bytes)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for attempt in range(1, START_ATTEMPTS + 1):
        home = folder if attempt == 1 else os.path.join(folder, str(attempt))
        try:
            ray.init(
                address="local",
                num_cpus=actors,
                num_gpus=1 if cuda else 0,
                object_store_memory=store,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
                _temp_dir=home,
            )
            break
        except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
            raise KeyboardInterrupt from error
        except Exception as error:  # Ray raises bare Exception when a process of its own is late
            ray.shutdown()
            kill(children_with(os.path.join(home, "session_")))  # not the guardian
            if attempt == START_ATTEMPTS:
                raise FederationError(
                    f"Ray does not start ({str(error).splitlines()[0]}); free memory, processor or"
                    " disk space and resume the run"
                ) from error
    for number, handler in handlers.items():
        signal.signal(number, handler)
    _quiet_ray()


def _quiet_ray() -> None:
    """Send what Ray would print on stdout, which belongs to `--json`, to Flower's log."""
    import ray._private.worker as driver

    def log_events(data: dict[str, Any], ignore_prefix: bool = False) -> None:
        for line in data.get("lines", ()):
            logging.getLogger("flwr").warning("ray: %s", line)

    if hasattr(driver, "print_to_stdstream"):
        driver.print_to_stdstream = log_events


def _stop_ray() -> None:
    import ray

    # What it leaves, the guardian ends.
    if ray.is_initialized():
        ray.shutdown()


def child_environment(spec: RunSpec) -> dict[str, str]:
    """Return the environment variables of the client processes."""
    return QUIET | {
        "OMP_NUM_THREADS": str(spec.compute.threads),
        # Threads that wait asleep: on a busy machine, spinning ones stop each other's work.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Where this process finds plugins, its children must find the same ones.
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }


@contextmanager
def _environment(spec: RunSpec) -> Iterator[None]:
    values = child_environment(spec)
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _flower_log(folder: Path) -> Iterator[None]:
    """Send Flower's log to a file: its lines are for those who look for a cause."""
    folder.mkdir(parents=True, exist_ok=True)
    # Importing it sets Flower's handlers, which are put aside here.
    importlib.import_module("flwr.supercore.logger")

    logger = logging.getLogger("flwr")
    handlers, level, spread = list(logger.handlers), logger.level, logger.propagate
    target = logging.FileHandler(folder / "flower.log", mode="a", encoding="utf-8")
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [target]
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = spread
        target.close()


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[list[int]]:
    """Turn SIGINT and SIGTERM into a stop; a second one changes nothing, the end is near."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def on_signal(number: int, frame: object) -> None:
        came.append(number)
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
