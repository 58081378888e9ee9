"""The nodes of a Ray cluster, asked before the first round: what each has, and what it carries.

Each node compares harness and plugins with the run's, and finds model and training set by its own
mirror, cache or the hub. One that has another is refused by its name before any client starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.document import parse_json
from harness.errors import FederationError
from harness.federation.clientapp.node_assets import job_here
from harness.machine.machine import this_machine
from harness.planning.client_processes import cards_of, client_processes
from harness.processes.carried_error import CarriedError

LOOK_LIMIT_S = 1800.0
"""Longest time in which all nodes answer: one that has no copy of the model downloads it first."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node, as Ray's list of nodes has it."""

    id: str
    """Ray's."""
    name: str
    """For people: the machine's name and its address."""
    processors: int
    """That Ray may give away there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one client process."""

    node: Node
    gpu: float = 0.0
    """The part of a GPU that it asks for."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a node says that it carries."""

    node: Node
    clients: int
    gpu: float


def alive_nodes() -> list[Node]:
    """Return the living nodes of the cluster that this process has joined, in a constant order."""
    import ray

    found = [
        Node(
            id=str(item["NodeID"]),
            name=f"{item['NodeManagerHostname']} ({item['NodeManagerAddress']})",
            processors=int(item["Resources"].get("CPU", 0)),
        )
        for item in ray.nodes()
        if item["Alive"]
    ]
    return sorted(found, key=lambda node: (node.name, node.id))


def report(text: str, digest: str, clients: int, parameters: int) -> str:
    """Return, on a node, what it carries, or why it takes no part; as JSON.

    Args:
        text: the job, without paths.
        digest: of the text.
        clients: sampled in a round.
        parameters: trained values.
    """
    try:
        job = job_here(text, digest, None)
    except Exception as error:
        return json.dumps({"error": CarriedError.of(error).model_dump(mode="json")})
    machine = this_machine()
    cards = cards_of(job.spec, clients, parameters, machine)
    carried = client_processes(job.spec, clients, parameters, machine)
    return json.dumps({"clients": carried, "gpu": cards.share if cards is not None else 0.0})


def ask_nodes(
    nodes: Sequence[Node], text: str, digest: str, clients: int, parameters: int
) -> list[Carried]:
    """Let every node make its `report`.

    Args:
        nodes: of the cluster.
        text: the job, without paths.
        digest: of the text.
        clients: sampled in a round.
        parameters: trained values.

    Raises:
        HarnessError: what a node found, with its name.
        FederationError: a node does not answer, or has no harness.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(report)
    asked = {
        node: remote.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
        ).remote(text, digest, clients, parameters)
        for node in nodes
    }
    if asked:
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_LIMIT_S)
    return [_answer(node, reference) for node, reference in asked.items()]


def _answer(node: Node, reference: object) -> Carried:
    import ray

    try:
        said = ray.get(reference, timeout=0)
    except ray.exceptions.GetTimeoutError:
        raise FederationError(
            f"node {node.name} did not say within {LOOK_LIMIT_S:.0f} s what it has; see `ray"
            " status`, and its mirror or its way to the hub"
        ) from None
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = lines[-1] if lines else type(error).__name__
        raise FederationError(
            f"node {node.name} cannot be asked what it has ({cause:.300}); install the run's"
            " harness in the Python environment of its `ray start`"
        ) from None
    value = parse_json(str(said), f"what node {node.name} says")
    if "error" in value:
        refusal = CarriedError.model_validate(value["error"])
        raise (refusal.kind() or FederationError)(f"node {node.name}: {refusal.message}")
    return Carried(node, int(value["clients"]), float(value["gpu"]))


def places(carried: Iterable[Carried], threads: int) -> list[Place]:
    """Return where client processes can be: on every node in turn, until each is full.

    Args:
        carried: what each node carries by forecast.
        threads: of a client; each takes as many of a node's processors.

    Raises:
        FederationError: no node takes any.
    """
    fitting = [(item, min(item.clients, item.node.processors // threads)) for item in carried]
    turns = range(max((count for _, count in fitting), default=0))
    found = [
        Place(item.node, item.gpu) for turn in turns for item, count in fitting if count > turn
    ]
    if not found:
        raise FederationError(
            f"no node of the Ray cluster has {threads} processors for a client; start one with"
            " `ray start --num-cpus`"
        )
    return found
