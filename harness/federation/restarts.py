"""Client processes that are started again when they die, on a SuperLink's simulation too.

In its own process the harness passes Ray's option `max_restarts` through Flower's backend config;
through `flwr run` that config knows processors only. The exported ClientApp, which Flower loads
before it starts any client process, sets it here.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

ENGINE = "flwr.server.superlink.fleet.vce.vce_api"
"""Imported by the process that starts simulated clients, and by no other."""


def restart_dead_clients() -> None:
    """Let Flower's simulation in this process start clients that Ray replaces when they die.

    Does nothing in other processes: a client, a SuperNode, a server without simulation.
    Source: flwr 1.41 `RayBackend.build`, `BasicActorPool.create_actor_fn`.
    """
    if ENGINE not in sys.modules or find_spec("ray") is None:
        return
    from flwr.server.superlink.fleet.vce.backend import raybackend

    if not isinstance(raybackend.ClientAppActor, _Restarted):
        raybackend.ClientAppActor = _Restarted(raybackend.ClientAppActor)


class _Restarted:
    """Flower's actor class, with one more option."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def options(self, **resources: Any) -> Any:
        return self.actor.options(**{"max_restarts": -1, **resources})
