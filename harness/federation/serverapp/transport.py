"""Transport: Flower messages out, their replies as they come, with a limit and a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from harness.document.units import how_many

REPLY_POLL_S = 0.03
"""Pause between two looks for replies; Flower waits 0.1 s, which five clients of a round feel."""

ASKED_AT_ONCE = 8
"""Nodes that say their partition at the same time. Each of Flower's SuperNodes starts a process for
a message: 50 on one machine were 50 such processes."""

PULLED_AT_ONCE = 1
"""Replies that are asked for in one call: what comes together lies in memory together."""


class StoppedError(Exception):
    """The run was asked to stop (Ctrl-C, SIGTERM)."""


class SilenceError(Exception):
    """Some nodes did not answer within the limit."""

    def __init__(self, nodes: list[int], limit_s: float) -> None:
        """Keep the silent nodes and the limit in seconds."""
        super().__init__(f"{how_many(len(nodes), 'node')} did not answer within {limit_s:.0f} s")
        self.nodes = nodes
        self.limit_s = limit_s


@dataclass(frozen=True, slots=True)
class Transport:
    """The way to the clients, as an engine hands it to the server.

    Nothing else pushes or pulls messages.
    """

    grid: Grid
    """Flower's."""
    actors: int
    """Clients that can work at the same time; the others wait their turn."""
    stop: threading.Event
    """Set to end the run early."""
    recover: Callable[[], None] = lambda: None
    """Brings dead clients back; called after a fault, before the retry."""
    poll_s: float = REPLY_POLL_S
    """Pause between two looks for replies. Through a SuperLink each look is a request for each
    message that is under way."""
    asked_at_once: int = ASKED_AT_ONCE
    """Nodes that say their partition at the same time."""

    def wait_for_nodes(self, count: int, limit_s: float) -> list[int]:
        """Return the connected nodes once there are `count` of them, or whatever is there after
        `limit_s` seconds."""
        end = time.monotonic() + limit_s
        nodes = list(self.grid.get_node_ids())
        while len(nodes) < count and time.monotonic() < end:
            self.pause(REPLY_POLL_S)
            nodes = list(self.grid.get_node_ids())
        return nodes

    def exchange(
        self,
        contents: Mapping[int, RecordDict],
        message_type: str,
        limit_s: float,
        meanwhile: Callable[[], None] = lambda: None,
        at_once: int | None = None,
        each_look: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Message]]:
        """Send one message to each node and yield (node, reply) in the order of arrival.

        A second reply to a message is not looked at.

        Args:
            contents: node -> what it is sent.
            message_type: of every message.
            limit_s: longest wait for all replies, in seconds.
            meanwhile: called once the first messages are under way.
            at_once: messages under way at the same time; None: all.
            each_look: called after each look for replies that leaves some missing.

        Raises:
            SilenceError: after `limit_s` seconds some replies are missing.
            StoppedError: the run was asked to stop.
        """
        left = list(contents)
        waiting: dict[str, int] = {}

        def push() -> None:
            free = len(left) if at_once is None else at_once - len(waiting)
            nodes = left[:free]
            del left[:free]
            messages = [
                Message(content=contents[node], dst_node_id=node, message_type=message_type)
                for node in nodes
            ]
            if messages:
                waiting.update(zip(self.grid.push_messages(messages), nodes, strict=True))

        push()
        end = time.monotonic() + limit_s
        meanwhile()
        while waiting:
            ids = list(waiting)
            for begin in range(0, len(ids), PULLED_AT_ONCE):
                for reply in self.grid.pull_messages(ids[begin : begin + PULLED_AT_ONCE]):
                    node = waiting.pop(reply.metadata.reply_to_message_id, None)
                    if node is not None:
                        yield node, reply
            push()
            if waiting and time.monotonic() > end:
                raise SilenceError(sorted([*waiting.values(), *left]), limit_s)
            if waiting:
                each_look()
                self.pause(self.poll_s)

    def wait_until_back(self, nodes: Collection[int], limit_s: float) -> None:
        """Wait until nodes are connected, those that were cut off or started again too.

        Raises:
            SilenceError: after `limit_s` seconds some are not.
            StoppedError: the run was asked to stop.
        """
        end = time.monotonic() + limit_s
        while missing := set(nodes) - set(self.grid.get_node_ids()):
            if time.monotonic() > end:
                raise SilenceError(sorted(missing), limit_s)
            self.pause(self.poll_s)

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the run is asked to stop.

        Raises:
            StoppedError: it was asked to.
        """
        if self.stop.wait(seconds):
            raise StoppedError
