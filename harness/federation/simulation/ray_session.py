"""Ray for one simulation: started with patience, quiet on stdout, and shut down."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.document.units import MIB
from harness.errors import FederationError
from harness.federation.simulation.client_processes import children_with, kill
from harness.federation.simulation.ray_start import eased_start
from harness.processes.signals import answering_signals, interrupt

START_ATTEMPTS = 2
"""A second one, with other processes, for a start that failed for another reason than time."""


@contextmanager
def ray_session(
    actors: int, cuda: bool, message_bytes: int, folder: str, stop: threading.Event
) -> Iterator[None]:
    """Start Ray in this process and its children, and end it.

    Args:
        actors: client processes that it must carry.
        cuda: whether they share the GPU.
        message_bytes: one train message, which sizes the object store.
        folder: for its files; the guardian deletes it.
        stop: set to give up starting.

    Raises:
        FederationError: it does not start.
        KeyboardInterrupt: `stop` was set, or SIGTERM came, while it started.
    """
    import ray

    # Two messages under way per actor, each there and back, and never under Ray's own minimum.
    store = max(160 * MIB, 4 * actors * message_bytes)
    try:
        with answering_signals(interrupt):  # which undoes the handler that Ray sets, too
            if stop.is_set():
                raise KeyboardInterrupt
            for attempt in range(1, START_ATTEMPTS + 1):
                if _start(actors, cuda, store, folder, attempt, stop):
                    break
        _send_events_to_log()
        yield
    finally:
        # What it leaves, the guardian ends.
        if ray.is_initialized():
            ray.shutdown()


def _start(
    actors: int, cuda: bool, store_bytes: int, folder: str, attempt: int, stop: threading.Event
) -> bool:
    import ray

    home = folder if attempt == 1 else os.path.join(folder, str(attempt))
    try:
        with eased_start(stop):
            ray.init(
                address="local",
                num_cpus=actors,
                num_gpus=1 if cuda else 0,
                object_store_memory=store_bytes,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
                _temp_dir=home,
            )
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
        return False
    return True


def _send_events_to_log() -> None:
    """Send what Ray would print on stdout, which belongs to `--json`, to Flower's log."""
    import ray._private.worker as driver

    def log_events(data: dict[str, Any], ignore_prefix: bool = False) -> None:
        for line in data.get("lines", ()):
            logging.getLogger("flwr").warning("ray: %s", line)

    if hasattr(driver, "print_to_stdstream"):
        driver.print_to_stdstream = log_events
