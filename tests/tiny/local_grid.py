"""A Flower grid without Flower's engine: the real ClientApp, called in this process.

Replies come in an order that a test chooses, so that a test of order needs no luck.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from harness.federation.client import app


class LocalGrid(Grid):
    """`count` nodes with ids that are in no order of their partitions."""

    def __init__(
        self,
        count: int,
        order: Callable[[list[Message]], list[Message]] = lambda replies: replies,
        partitions: list[int] | None = None,
    ) -> None:
        """Serve `count` nodes; `partitions` is what they say, 0..count-1 unless given."""
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, SUPERLINK_NODE_ID
        ids = random.Random(count).sample(range(10**6), count)
        self.partition_of = dict(zip(ids, partitions or range(count), strict=True))
        self.order = order
        self.replies: dict[str, Message] = {}
        self.sent: list[Message] = []
        self.silent: set[int] = set()
        """Partitions that never answer."""
        self.deaths: dict[int, int] = {}
        """Partition -> how many of its next messages its process dies of."""

    def set_run(self, run: Any) -> None:
        """Nothing to do."""

    @property
    def run(self) -> Any:
        """No run."""
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Not used."""
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        """The ids, as a set: in no useful order."""
        return set(self.partition_of)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Run each message's client at once."""
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = str(uuid4())
            ids.append(message.metadata.message_id)
            self.sent.append(message)
            partition = self.partition_of[message.metadata.dst_node_id]
            if partition in self.silent:
                continue
            if self.deaths.get(partition, 0):
                self.deaths[partition] -= 1
                died = Error(code=ErrorCode.UNKNOWN, reason="ActorUnavailableError: SIGTERM")
                self.replies[message.metadata.message_id] = Message(died, reply_to=message)
                continue
            config = {"partition-id": partition, "num-partitions": len(self.partition_of)}
            context = Context(1, message.metadata.dst_node_id, config, RecordDict(), {})
            self.replies[message.metadata.message_id] = app(message, context)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return what is there, in the chosen order."""
        first = next(iter(self.order(list(self.replies.values()))), None)
        key = first.metadata.reply_to_message_id if first is not None else ""
        return [self.replies.pop(key)] if key in list(message_ids) else []

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Not used."""
        raise NotImplementedError
