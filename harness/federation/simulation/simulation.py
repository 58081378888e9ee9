"""The in-process engine: Flower's simulation with Ray actors, started, watched and ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import FederationError
from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome
from harness.federation.serverapp.transport import Transport
from harness.federation.simulation import ray_worker
from harness.federation.simulation.client_processes import actors as client_processes
from harness.federation.simulation.client_processes import kill, replace_working
from harness.federation.simulation.environment import client_environment
from harness.federation.simulation.flower_log import flower_log
from harness.federation.simulation.forked_clients import to_origin
from harness.federation.simulation.ray_session import ray_session
from harness.library_internals.ray import node_watched
from harness.machine.card_layout import CardLayout
from harness.planning.forecast import message_bytes
from harness.processes.loading import loading
from harness.processes.signals import answering_signals

JOIN_LIMIT_S = 15.0
"""Longest wait for Flower's threads to end once their clients are gone."""

ASKED_HERE_AT_ONCE = 64
"""Nodes that say their partition at the same time: no process is started for them, and Flower hands
messages to clients ten times a second, so 50 nodes by eights took 0.6 s."""

GOODBYE_S = 2.0
"""Longest wait for Flower to say why its node is gone: it ends Ray itself before it ends."""

NODE_ENDED = (
    "Ray's process on this machine (raylet) ended, as where memory ran out or somebody killed it;"
    " no plugin did; free memory and resume the run"
)

Serve = Callable[[Transport], FederationOutcome]
"""(the way to the clients) -> outcome: the server, whichever engine calls it."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The client processes of a simulation, wherever they are."""

    count: int
    """Of them at work at the same time."""
    config: Mapping[str, Any]
    """Of Flower's backend."""
    recover: Callable[[], None]
    """Ends those that still work on what has failed, and has others in their place."""
    end_working: Callable[[], None]
    """Ends those at work: nothing is left for them."""
    end_all: Callable[[], None]


@dataclass
class _Flower:
    """Flower's simulation, in a thread of its own."""

    serve: Serve
    num_supernodes: int
    clients: Clients
    stop: threading.Event
    outcome: FederationOutcome | None = None
    error: BaseException | None = None

    def run(self) -> None:
        """Run the server and its clients to their end; nothing is raised."""
        from flwr.serverapp import ServerApp
        from flwr.simulation import run_simulation

        from harness.federation.client import app as client_app

        server_app = ServerApp()
        clients = self.clients

        @server_app.main()  # type: ignore[untyped-decorator]
        def main(grid: Any, context: Any) -> None:
            try:
                transport = Transport(
                    grid,
                    clients.count,
                    self.stop,
                    clients.recover,
                    asked_at_once=ASKED_HERE_AT_ONCE,
                )
                self.outcome = self.serve(transport)
            except BaseException as error:
                self.error = error
                # Flower waits for the clients at work before it ends.
                clients.end_working()

        config = dict(clients.config)
        try:
            run_simulation(server_app, client_app, self.num_supernodes, backend_config=config)
        except BaseException as error:
            self.error = self.error or FederationError(f"Flower's simulation failed: {error}")


def _load_flower() -> None:
    with loading():
        import flwr.simulation  # noqa: F401

        import harness.federation.client  # noqa: F401


def run_flower(
    serve: Serve, num_supernodes: int, clients: Clients, stop: threading.Event
) -> FederationOutcome | None:
    """Run the server and the supernodes by Flower's simulation, until they or `stop` end it.

    Args:
        serve: the server.
        num_supernodes: of the challenge.
        clients: their processes.
        stop: set to end early; the outcome is None then, maybe.

    Raises:
        FederationError: Flower ended without a result, or Ray's node has ended.
        HarnessError: whatever the server raised.
    """
    flower = _Flower(serve, num_supernodes, clients, stop)
    thread = threading.Thread(target=flower.run, name="flower", daemon=True)
    thread.start()
    with node_watched() as node_runs:
        while thread.is_alive() and not stop.is_set() and node_runs():
            thread.join(0.2)
    if stop.is_set():
        clients.end_all()
        thread.join(JOIN_LIMIT_S)
        return flower.outcome
    if flower.outcome is None and flower.error is None:  # or Flower ends the node as it ends
        clients.end_all()
    thread.join(GOODBYE_S)
    if flower.outcome is None:
        raise flower.error or FederationError(
            NODE_ENDED
            if thread.is_alive()
            else "Flower's simulation ended without a result; see logs/flower.log"
        )
    return flower.outcome


def simulate(
    serve: Serve,
    run: OpenRun,
    actors: int,
    cards: CardLayout | None,
    logs: Path,
    folder: str,
    origin: str | None,
) -> FederationOutcome:
    """Run the server and the challenge's supernodes in this process and its children.

    Args:
        serve: the server.
        run: what is federated.
        actors: client processes.
        cards: where they are, on a machine with GPUs; None on a CPU.
        logs: folder for Flower's log.
        folder: for Ray's files; its path is short.
        origin: socket of the process that clients are forked from; None: each starts anew.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the clients are gone.
        FederationError: Ray does not start, or Flower ended without a result.
        HarnessError: whatever the server raised.
    """
    stop = threading.Event()
    # While Ray's processes start, which this one waits for: 1.2 s.
    threading.Thread(target=_load_flower, name="load-flower", daemon=True).start()
    resources = {
        "num_cpus": 1,
        "num_gpus": cards.share if cards is not None else 0.0,
        # Ray option, passed on by Flower: a client process that dies is started again.
        "max_restarts": -1,
    }
    clients = Clients(
        count=actors,
        config={"client_resources": resources},
        recover=lambda: replace_working(actors),
        end_working=lambda: kill(client_processes(working=True)),
        end_all=lambda: kill(client_processes()),
    )
    with (
        client_environment(run.spec, folder, cards, to_origin(origin, actors)),
        flower_log(logs),
        answering_signals(stop.set) as interrupted,
        ray_session(
            actors,
            cards,
            message_bytes(run.shapes),
            folder,
            stop,
            ray_worker.__file__ if origin else None,
        ),
    ):
        outcome = run_flower(serve, run.job.challenge.num_supernodes, clients, stop)
    if interrupted or outcome is None:
        raise KeyboardInterrupt
    return outcome
