"""`harness run --ray-address`: the server here, its clients on the nodes of a Ray cluster.

The cluster is somebody else's: it is joined and left, its nodes are asked what they have, and all
that is started on it are the run's own actors, which end with it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.document import sha256_text
from harness.errors import FederationError
from harness.federation.cluster.backend import ClusterBackend
from harness.federation.cluster.nodes import alive_nodes, ask_nodes, places
from harness.federation.cluster.ray_clients import RayClients
from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome, Options
from harness.federation.simulation.environment import QUIET, WITHOUT_HUB, environment
from harness.federation.simulation.flower_log import flower_log
from harness.federation.simulation.simulation import Clients, Serve, run_flower
from harness.federation.wire.names import STORE, SWITCH
from harness.library_internals.flower import simulating_by
from harness.library_internals.ray import events_sent_to, join_ray, leave_ray
from harness.processes.import_paths import SAFE
from harness.processes.signals import answering_signals, interrupt
from harness.processes.waiting_threads import WAITING
from harness.progress import say
from harness.spec import RunSpec

HERE = {
    SWITCH: STORE,
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns of a change to come
}
"""Of this process, while it is in the cluster."""


def worker_variables(spec: RunSpec) -> dict[str, str]:
    """Return the environment of client processes on a node, on top of what the node has.

    Its mirror, caches and temporary files are the node's own.
    """
    own = {
        name: value
        for name, value in QUIET.items()
        if name not in WITHOUT_HUB and not name.startswith("RAY_")
    }
    threads = {"OMP_NUM_THREADS": str(spec.compute.threads)}
    return own | SAFE | threads | WAITING | {"PYTHONPATH": ""}


def federate_on_cluster(
    serve: Serve, run: OpenRun, options: Options, clients: int, parameters: int, logs: Path
) -> FederationOutcome:
    """Run the server here and the supernodes on the cluster's nodes.

    Args:
        serve: the server.
        run: what is federated; its job has no paths, since each node finds its own files.
        options: the cluster's address, and the most client processes.
        clients: sampled in a round.
        parameters: trained values.
        logs: folder for Flower's log.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the clients are gone, the cluster is not.
        FederationError: the cluster cannot be joined, or a node cannot take part.
        HarnessError: whatever a node or the server raised.
    """
    spec, stop = run.spec, threading.Event()
    text = run.job.canonical_json()
    with (
        environment({**os.environ, **HERE}),
        flower_log(logs),
        _joined(str(options.ray_address), spec),
    ):
        nodes = [node for node in alive_nodes() if node.processors]
        with answering_signals(interrupt):
            carried = ask_nodes(nodes, text, sha256_text(text), clients, parameters)
        found = places(carried, spec.compute.threads)
        backend = ClusterBackend(
            found, min(options.actors or clients, clients), RayClients(spec.compute.threads)
        )
        if not options.quiet:
            say(
                f"federate: {len(nodes)} nodes of the Ray cluster have this run's harness, plugins,"
                f" model and data; {backend.count} clients at once"
            )
        processes = Clients(
            count=backend.count,
            config={},
            recover=backend.replace_working,
            end_working=backend.end_all,
            end_all=backend.end_all,
        )
        with answering_signals(stop.set) as interrupted, simulating_by(backend):
            outcome = run_flower(serve, run.job.challenge.num_supernodes, processes, stop)
    if interrupted or outcome is None:
        raise KeyboardInterrupt
    return outcome


@contextmanager
def _joined(address: str, spec: RunSpec) -> Iterator[None]:
    """Join a cluster, and leave it.

    Raises:
        FederationError: it cannot be joined.
    """
    import ray

    with answering_signals(interrupt):  # which undoes the handler that Ray sets, too
        try:
            join_ray(
                address,
                worker_variables(spec),
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=False,
            )
        except Exception as error:
            ray.shutdown()
            cause = " ".join(str(error).split())
            raise FederationError(
                f"the Ray cluster at {address!r} cannot be joined ({cause:.300}); this machine must"
                " be one of its nodes (`ray start --address=HOST:PORT`), with the same Ray and"
                " Python"
            ) from None
    try:
        with events_sent_to(lambda line: logging.getLogger("flwr").warning("ray: %s", line)):
            yield
    finally:
        leave_ray()
