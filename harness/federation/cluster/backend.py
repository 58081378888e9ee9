"""Flower's simulation over client processes on many nodes, of which some may be gone at any time.

Flower hands a message to `ClusterBackend.process_message` and takes what comes back, or an error.
A client process that fails is ended and another takes its place: on the same node, or, when that is
gone, on one that has room. A message waits until there is a client process for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from harness.federation.cluster.nodes import Place

LOOK_S = 0.5
"""Pause between two looks for a client process that has started."""

AGAIN_PAUSE_S = 2.0
"""Pause before client processes are started in the place of those that are gone."""

NOBODY_LIMIT_S = 300.0
"""Longest wait of a message while no client process is at work and none can be had."""

State = Literal["starting", "ready", "gone"]


class ClientProcesses(Protocol):
    """How client processes are had; of Ray, or a test's."""

    def start(self, place: Place) -> Any:
        """Begin to start one; it stays on the node of its place."""

    def state(self, one: Any) -> State:
        """Say how far it is, or what came of asking."""

    def ask(self, one: Any) -> None:
        """Begin to ask whether it lives."""

    def call(self, one: Any, *job: Any) -> tuple[Any, Any]:
        """Let it answer a message; raises when it dies."""

    def end(self, one: Any) -> None:
        """End it, whatever it does."""

    def living(self) -> set[str]:
        """Return the ids of the nodes that are there now."""


@dataclass(eq=False, slots=True)
class Client:
    """One client process."""

    process: Any
    spot: int
    """Which of the places it has."""


class ClusterBackend:
    """A pool of client processes on the places that it is given, in the place of Flower's own."""

    def __init__(
        self,
        places: Sequence[Place],
        count: int,
        processes: ClientProcesses,
        limit_s: float = NOBODY_LIMIT_S,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            places: all that there are; the first are taken first.
            count: client processes that are wanted, at most one for each place.
            processes: how they are had.
            limit_s: longest wait for one when there is none.
        """
        self.places, self.processes, self.limit_s = tuple(places), processes, limit_s
        self.count = min(count, len(self.places))
        self.idle: list[Client] = []
        self.starting: list[Client] = []
        self.busy: list[Client] = []
        self.again_at = 0.0
        self.ended = False
        self.changed = threading.Condition()
        self.app_fn: Callable[[], Any] | None = None

    def build(self, app_fn: Callable[[], Any]) -> None:
        """Begin to start every client process, for Flower."""
        self.app_fn = app_fn
        with self.changed:
            for spot in range(self.count):
                self._start(spot)

    @property
    def num_workers(self) -> int:
        """Return how many messages are handed over at a time."""
        return self.count

    def is_worker_idle(self) -> bool:
        """Return whether a client process waits for a message."""
        return bool(self.idle)

    def process_message(self, message: Any, context: Any) -> tuple[Any, Any]:
        """Let a client process answer a message.

        Raises:
            Exception: it died, or none could be had; Flower answers the message with it.
        """
        one = self._taken()
        partition = str(context.node_config["partition-id"])
        try:
            answer = self.processes.call(one.process, self.app_fn, message, partition, context)
        except BaseException:
            with self.changed:
                self.busy.remove(one)
                self._lost(one)
                self._doubt()
            raise
        with self.changed:
            self.busy.remove(one)
            self.idle.append(one)
            self.changed.notify()
        return answer

    def replace_working(self) -> None:
        """End the client processes that still work on what has failed; others take their places."""
        with self.changed:
            working = list(self.busy)
        for one in working:
            self.processes.end(one.process)

    def end_all(self) -> None:
        """End every client process; whoever waits for one is told."""
        with self.changed:
            self.ended = True
            every = [*self.idle, *self.starting, *self.busy]
            self.idle.clear()
            self.starting.clear()
            self.changed.notify_all()
        for one in every:
            self.processes.end(one.process)

    def terminate(self) -> None:
        """End every client process, for Flower."""
        self.end_all()

    def _taken(self) -> Client:
        end = time.monotonic() + self.limit_s
        with self.changed:
            while not self.ended:
                self._look()
                if self.idle:
                    one = self.idle.pop()
                    self.busy.append(one)
                    return one
                if self.busy:
                    end = time.monotonic() + self.limit_s
                if time.monotonic() > end:
                    raise RuntimeError(
                        "no node of the Ray cluster takes a client; see `ray status`"
                    )
                self.changed.wait(LOOK_S)
        raise RuntimeError("the run is at its end")

    def _look(self) -> None:
        """Move on the client processes that have started, and replace those that are gone."""
        for one in list(self.starting):
            state = self.processes.state(one.process)
            if state == "starting":
                continue
            self.starting.remove(one)
            if state == "ready":
                self.idle.append(one)
            else:
                self._lost(one)
        taken = {one.spot for one in (*self.idle, *self.starting, *self.busy)}
        missing = self.count - len(taken)
        if not missing or time.monotonic() < self.again_at:
            return
        self.again_at = time.monotonic() + AGAIN_PAUSE_S
        living = self.processes.living()
        free = [
            spot
            for spot, place in enumerate(self.places)
            if spot not in taken and place.node.id in living
        ]
        for spot in free[:missing]:
            self._start(spot)

    def _start(self, spot: int) -> None:
        self.starting.append(Client(self.processes.start(self.places[spot]), spot))

    def _doubt(self) -> None:
        """Ask those that are idle whether they live: a node that is gone takes all of its own."""
        for one in self.idle:
            self.processes.ask(one.process)
        self.starting += self.idle
        self.idle.clear()

    def _lost(self, one: Client) -> None:
        self.processes.end(one.process)
        self.again_at = time.monotonic() + AGAIN_PAUSE_S
