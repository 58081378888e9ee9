"""Ray for one simulation: started with patience, quiet on stdout, and shut down."""

from __future__ import annotations

import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from harness.document.units import GIB, MIB
from harness.errors import FederationError
from harness.federation.simulation.client_processes import children_with, kill
from harness.library_internals.ray import (
    RAYLET_PROGRAM,
    eased_start,
    events_sent_to,
    leave_ray,
    start_ray,
)
from harness.machine.card_layout import CardLayout
from harness.processes.loading import loading
from harness.processes.signals import answering_signals, interrupt

RAY_START_LIMIT_S = 300.0
"""Longest wait for Ray's own processes to be there: 3 s on two idle cores, minutes on busy ones."""

START_ATTEMPTS = 2
"""A second one, with other processes, for a start that failed for another reason than time."""

LEAST_ADDRESSES_BYTES = 5 * GIB
"""What `ulimit -v` has to leave each process: with 3.8 GiB a client of the smallest model ended as
it began, and Ray waited for it without end; with 5.2 GiB all went well."""

OURS = (TypeError, AttributeError, NameError)
"""What a call raises that does not fit Ray, or whose preparation is wrong: trying it again, or more
memory, would change nothing. Ray's own failures have no class in common, and some are `Exception`
itself."""


@contextmanager
def ray_session(
    actors: int,
    cards: CardLayout | None,
    message_bytes: int,
    folder: str,
    stop: threading.Event,
    worker: str | None = None,
) -> Iterator[None]:
    """Start Ray in this process and its children, and end it.

    Args:
        actors: client processes that it must carry.
        cards: where they are; None on a CPU.
        message_bytes: one train message, which sizes the object store.
        folder: for its files.
        stop: set to give up starting.
        worker: script that its node runs for a client; None: Ray's own.

    Raises:
        FederationError: it does not start, or would wait for ever.
        KeyboardInterrupt: `stop` was set, or SIGTERM came, while it started.
    """
    _refuse_few_addresses()
    with loading():
        import ray  # noqa: F401

    # Two messages under way per actor, each there and back, and never under Ray's own minimum.
    store = max(160 * MIB, 4 * actors * message_bytes)
    try:
        with answering_signals(interrupt):  # which undoes the handler that Ray sets, too
            if stop.is_set():
                raise KeyboardInterrupt
            for attempt in range(1, START_ATTEMPTS + 1):
                if _start(actors, cards, store, folder, attempt, stop, worker):
                    break
        with events_sent_to(lambda line: logging.getLogger("flwr").warning("ray: %s", line)):
            yield
    finally:
        # What it leaves, the launcher of this process ends.
        leave_ray()


def _refuse_few_addresses() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESSES_BYTES:
        raise FederationError(
            f"ulimit -v leaves each process {limit / GIB:.1f} GiB of addresses, and a client maps"
            f" {LEAST_ADDRESSES_BYTES / GIB:.0f} GiB before it holds anything; lift it (ulimit -v"
            " unlimited) and resume the run"
        )


def _start(
    actors: int,
    cards: CardLayout | None,
    store_bytes: int,
    folder: str,
    attempt: int,
    stop: threading.Event,
    worker: str | None,
) -> bool:
    """Return whether Ray has started; False for a first attempt that failed.

    Args:
        actors: client processes that it must carry.
        cards: where they are; None on a CPU.
        store_bytes: size of the object store.
        folder: for its files; a second attempt gets a folder of its own in it.
        attempt: 1 for the first.
        stop: set to give up.
        worker: script that its node runs for a client; None: Ray's own.

    Raises:
        FederationError: the last attempt failed.
        KeyboardInterrupt: `stop` was set, or SIGTERM came.
    """
    import ray

    home = folder if attempt == 1 else os.path.join(folder, str(attempt))
    try:
        lives = partial(children_with, RAYLET_PROGRAM)
        with eased_start(stop, lives, RAY_START_LIMIT_S, worker):
            start_ray(
                home,
                address="local",
                num_cpus=actors,
                num_gpus=len(cards.cards) if cards is not None else 0,
                object_store_memory=store_bytes,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
            )
    except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
        raise KeyboardInterrupt from error
    except OURS:
        raise
    except Exception as error:
        ray.shutdown()
        kill(children_with(os.path.join(home, "session_")))  # not the guardian
        if attempt == START_ATTEMPTS:
            raise FederationError(
                f"Ray does not start ({str(error).splitlines()[0]}); free memory, processor or"
                " disk space and resume the run"
            ) from error
        return False
    return True
