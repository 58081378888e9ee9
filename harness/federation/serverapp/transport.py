"""Transport: Flower messages out, their replies as they come, with a limit and a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

REPLY_POLL_S = 0.03
"""Pause between two looks for replies; Flower waits 0.1 s, which five clients of a round feel."""


class StoppedError(Exception):
    """The run was asked to stop (Ctrl-C, SIGTERM)."""


class SilenceError(Exception):
    """Some nodes did not answer within the limit."""

    def __init__(self, nodes: list[int], limit_s: float) -> None:
        """Keep the silent nodes and the limit in seconds."""
        super().__init__(f"{len(nodes)} nodes did not answer within {limit_s:.0f} s")
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
    ) -> Iterator[tuple[int, Message]]:
        """Send one message to each node and yield (node, reply) in the order of arrival.

        Args:
            contents: node -> what it is sent.
            message_type: of every message.
            limit_s: longest wait for all replies, in seconds.
            meanwhile: called once all messages are under way.

        Raises:
            SilenceError: after `limit_s` seconds some replies are missing.
            StoppedError: the run was asked to stop.
        """
        messages = [
            Message(content=content, dst_node_id=node, message_type=message_type)
            for node, content in contents.items()
        ]
        waiting = dict(zip(self.grid.push_messages(messages), contents, strict=True))
        end = time.monotonic() + limit_s
        meanwhile()
        while waiting:
            for reply in self.grid.pull_messages(list(waiting)):
                node = waiting.pop(reply.metadata.reply_to_message_id)
                yield node, reply
            if waiting and time.monotonic() > end:
                raise SilenceError(sorted(waiting.values()), limit_s)
            if waiting:
                self.pause(REPLY_POLL_S)

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the run is asked to stop.

        Raises:
            StoppedError: it was asked to.
        """
        if self.stop.wait(seconds):
            raise StoppedError
