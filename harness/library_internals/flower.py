"""Flower's internals: who sends a message, and what a simulation's client processes are made by.

Source: flwr 1.42, `supercore/task_identity.py`,
`server/superlink/fleet/vce/backend/raybackend.py` (`RayBackend.build`) and
`simulation/ray_transport/ray_actor.py` (`BasicActorPool.create_actor_fn`); and
`supercore/privacy_accounting`, Flower's accountant over Google's `dp-accounting`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

ENGINE = "flwr.server.superlink.fleet.vce.vce_api"
"""Imported by the process that starts simulated clients, and by no other."""


@contextmanager
def sending_as(node_id: int) -> Iterator[None]:
    """Say who sends Flower's messages, which ask for it outside of a Flower process too.

    Args:
        node_id: of the sender; its run and its task are 1.
    """
    from flwr.supercore.task_identity import TaskIdentity

    # The public properties raise when nothing is set, so what was there is read beneath them.
    before = (TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, node_id, 1
    try:
        yield
    finally:
        TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id = before


def restart_dead_clients() -> None:
    """Let Flower's simulation in this process start clients that Ray replaces when they die.

    It holds for the rest of the process, which is Flower's and ends with its run. Does nothing in
    other processes: a client, a SuperNode, a server without simulation.
    """
    if ENGINE not in sys.modules or find_spec("ray") is None:
        return
    from flwr.server.superlink.fleet.vce.backend import raybackend

    if not isinstance(raybackend.ClientAppActor, _Restarted):
        raybackend.ClientAppActor = _Restarted(raybackend.ClientAppActor)


@contextmanager
def simulating_by(backend: Any) -> Iterator[None]:
    """Let Flower's simulation hand its messages to `backend` while this context lasts.

    Flower's own backend sizes its pool by all processors of a cluster, and keeps asking clients of
    a node that is gone; there is no option for another one.

    Args:
        backend: has the methods of Flower's class `Backend`.
    """
    from flwr.server.superlink.fleet.vce.backend import raybackend

    before = raybackend.RayBackend
    raybackend.RayBackend = lambda config: backend
    try:
        yield
    finally:
        raybackend.RayBackend = before


def client_actor() -> Any:
    """Return the Ray actor that answers messages by a ClientApp."""
    from flwr.simulation.ray_transport.ray_actor import ClientAppActor

    return ClientAppActor


class _Restarted:
    """Flower's actor class, with one more option."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def options(self, **resources: Any) -> Any:
        return self.actor.options(**{"max_restarts": -1, **resources})


def rdp_epsilon(noise_multipliers: Sequence[float], delta: float, clients: int) -> float:
    """Return the epsilon of Gaussian releases by Flower's accountant, without amplification.

    For one client added or removed. Flower accounts its own strategies so.

    Args:
        noise_multipliers: of each release, the noise by the most that one client can change; above
            0.
        delta: the probability that the bound does not hold.
        clients: of the population.

    Raises:
        ImportError: `dp-accounting` is not installed.
    """
    from flwr.supercore.privacy_accounting import (
        GaussianPrivacyEvent,
        NeighboringRelation,
        PrivacyConfig,
        SamplingMethod,
    )
    from flwr.supercore.privacy_accounting.rdp_accountant import RdpAccountant

    config = PrivacyConfig(
        target_delta=delta,
        population_size=clients,
        neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE,
        sampling_method=SamplingMethod.NO_AMPLIFICATION,
    )
    accountant = RdpAccountant(config)
    for multiplier in noise_multipliers:
        accountant.compose(GaussianPrivacyEvent(multiplier, clients, clients))
    return float(accountant.get_epsilon(delta))
