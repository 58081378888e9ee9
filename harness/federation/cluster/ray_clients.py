"""Client processes as actors of a Ray cluster: started, asked whether they live, ended."""

from __future__ import annotations

from typing import Any

from harness.federation.cluster.backend import State
from harness.federation.cluster.nodes import Place, alive_nodes
from harness.library_internals.flower import client_actor


class RayClients:
    """Client processes as actors of the Ray cluster that this process has joined."""

    def __init__(self, threads: int) -> None:
        """Let each take `threads` processors of its node."""
        self.threads = threads
        self.asked: dict[Any, Any] = {}

    def start(self, place: Place) -> Any:
        """Begin to start an actor on the node of its place, and on no other."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = (
            client_actor()
            .options(
                num_cpus=self.threads,
                num_gpus=place.gpu,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.node.id, soft=False),
            )
            .remote()
        )
        self.ask(actor)
        return actor

    def ask(self, one: Any) -> None:
        """Begin to ask whether an actor is there."""
        self.asked[one] = one.__ray_ready__.remote()

    def state(self, one: Any) -> State:
        """Say how far an actor is, or what came of asking."""
        import ray

        done, _ = ray.wait([self.asked[one]], timeout=0)
        if not done:
            return "starting"
        try:
            ray.get(done[0])
        except ray.exceptions.RayError:
            return "gone"
        return "ready"

    def call(self, one: Any, *job: Any) -> tuple[Any, Any]:
        """Let an actor answer a message.

        Raises:
            ray.exceptions.RayError: it died.
        """
        import ray

        _, answer, context = ray.get(one.run.remote(*job))
        return answer, context

    def end(self, one: Any) -> None:
        """End an actor; one that is gone is fine."""
        import ray

        self.asked.pop(one, None)
        if ray.is_initialized():
            ray.kill(one)

    def living(self) -> set[str]:
        """Return the ids of the nodes that are there now."""
        return {node.id for node in alive_nodes()}
