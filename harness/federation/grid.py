"""AuditedGrid: what a strategy sees of the federation, in an order that repeats itself.

Node ids come in partition order, replies in partition order, every byte of a train message is
counted, and a reply that is missing, an error or not an update is asked for again and then ends the
run: a strategy never sees fewer replies than the clients it sampled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from harness.errors import ClientFailedError, FederationError, PluginError, RuleViolationError
from harness.federation.client import hang_file
from harness.federation.post import Post, SilenceError
from harness.federation.replies import Fault, Reply, check_reply
from harness.federation.tensors import to_tensors
from harness.federation.wire import ARRAYS, HARNESS, TRAIN

RETRY_PAUSE_S = 1.0
"""Pause before a client is asked again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the grid enforces."""

    clients_per_round: int
    limit_bytes: int
    """Of all train messages, both directions."""
    client_timeout_s: float
    silence_s: Callable[[int], float]
    """(messages under way) -> seconds after which the server gives up waiting."""
    retries: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round's traffic."""

    round: int
    replies: tuple[Reply, ...]
    """In partition order."""
    bytes_down: int
    bytes_up: int


class AuditedGrid(Grid):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A Flower grid over a roster of partitions."""

    def __init__(
        self,
        post: Post,
        roster: Mapping[int, int],
        order: Mapping[str, Any],
        limits: Limits,
        recover: Callable[[], None],
        on_reply: Callable[[int], None] = lambda partition: None,
    ) -> None:
        """Wrap the way to the nodes.

        Args:
            post: sends and receives.
            roster: partition id -> node id.
            order: keys of the harness's ConfigRecord that every message carries.
            limits: see `Limits`.
            recover: called after a fault, before the retry; brings dead clients back.
            on_reply: called with the partition of each good reply, in order of arrival.
        """
        self.post = post
        self.roster = dict(sorted(roster.items()))
        self.partition_of = {node: partition for partition, node in roster.items()}
        self.order = dict(order)
        self.limits = limits
        self.recover = recover
        self.on_reply = on_reply
        self.bytes_total = 0
        self.round = 0
        self.last: Exchange | None = None

    def open_round(self, number: int, bytes_before: int) -> None:
        """Allow the train messages of one round; `bytes_before` is the total so far."""
        self.round = number
        self.bytes_total = bytes_before
        self.last = None

    def set_run(self, run: Any) -> None:
        """Pass on to Flower's grid."""
        self.post.grid.set_run(run)

    @property
    def run(self) -> Any:
        """Flower's run."""
        return self.post.grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Pass on to Flower's grid (deprecated there)."""
        return self.post.grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> list[int]:
        """Return all node ids in partition order."""
        return list(self.roster.values())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Refuse: a message must be sent where its reply is audited."""
        raise PluginError("the strategy pushes messages itself; return them from configure_train")

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Refuse, as `push_messages`."""
        raise PluginError("the strategy pulls messages itself; use the replies of aggregate_train")

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Deliver a round's train messages and return all their replies in partition order.

        Args:
            messages: one per sampled client, or none.
            timeout: ignored; the time limit is per client and the harness's.

        Raises:
            PluginError: the strategy's messages are not a round of this run.
            ClientFailedError: a client failed after its retries.
            RuleViolationError: the communication limit is exceeded.
        """
        wanted = self._by_partition(list(messages))
        if not wanted:
            return []
        bytes_down = sum(_count_bytes(content) for content in wanted.values())
        self._check_limit(self.bytes_total + bytes_down)
        replies = self._collect(wanted)
        bytes_up = sum(reply.bytes_up for reply in replies)
        self._check_limit(self.bytes_total + bytes_down + bytes_up)
        self.last = Exchange(self.round, tuple(replies), bytes_down, bytes_up)
        return [reply.message for reply in replies]

    def _by_partition(self, messages: list[Message]) -> dict[int, RecordDict]:
        wanted: dict[int, RecordDict] = {}
        for message in messages:
            kind, node = message.metadata.message_type, message.metadata.dst_node_id
            if kind != TRAIN:
                raise PluginError(
                    f"the strategy sent a {kind!r} message; only {TRAIN!r} is allowed"
                )
            if node not in self.partition_of or self.partition_of[node] in wanted:
                raise PluginError(
                    "the strategy sent two messages to one client or to an unknown node;"
                    " sample distinct nodes of the grid"
                )
            if list(message.content.array_records) != [ARRAYS]:
                raise PluginError(
                    f"a train message holds array records {sorted(message.content.array_records)};"
                    f" expected one, {ARRAYS!r}"
                )
            wanted[self.partition_of[node]] = message.content
        if wanted and len(wanted) != self.limits.clients_per_round:
            raise PluginError(
                f"the strategy sampled {len(wanted)} clients in round {self.round}; the recipe's"
                f" fraction gives {self.limits.clients_per_round}; pass the context's fraction on"
            )
        return dict(sorted(wanted.items()))

    def _check_limit(self, total: int) -> None:
        if total > self.limits.limit_bytes:
            raise RuleViolationError(
                f"round {self.round} takes the communication to {total} bytes; the challenge allows"
                f" {self.limits.limit_bytes}; use fewer rounds, clients or adapter weights"
            )

    def _collect(self, wanted: dict[int, RecordDict]) -> list[Reply]:
        good: dict[int, Reply] = {}
        faults: dict[int, Fault] = {}
        for attempt in range(1, self.limits.retries + 2):
            missing = {key: content for key, content in wanted.items() if key not in good}
            answers = self.ask(missing, TRAIN, self.round, attempt)
            for partition, answer in answers.items():
                if isinstance(answer, Fault):
                    faults[partition] = answer
                    if answer.final is not None:
                        raise self._failure(partition, answer, attempt)
                else:
                    good[partition] = answer
            if len(good) == len(wanted):
                return [good[partition] for partition in wanted]
            if attempt <= self.limits.retries:
                self.recover()
                self.post.pause(RETRY_PAUSE_S)
        partition = min(set(wanted) - set(good))
        raise self._failure(partition, faults[partition], self.limits.retries + 1)

    def ask(
        self, contents: Mapping[int, RecordDict], kind: str, number: int, attempt: int
    ) -> dict[int, Reply | Fault]:
        """Send train messages to partitions once and check each reply on arrival."""
        answers: dict[int, Reply | Fault] = {}
        by_node = {
            self.roster[partition]: self.addressed(content, number)
            for partition, content in contents.items()
        }
        limit_s = self.limits.silence_s(len(by_node))
        try:
            for node, message in self.post.exchange(by_node, kind, limit_s):
                partition = self.partition_of[node]
                sent = to_tensors(contents[partition].array_records[ARRAYS])
                answer = check_reply(message, partition, sent, attempt)
                answers[partition] = self._explain(partition, answer)
                if isinstance(answer, Reply):
                    self.on_reply(partition)
        except SilenceError as error:
            for node in error.nodes:
                partition = self.partition_of[node]
                answers[partition] = Fault(f"no reply within {error.limit_s:.0f} s")
        return answers

    def addressed(self, content: RecordDict, number: int) -> RecordDict:
        """Return a copy of a message's content with the harness's record for round `number`."""
        copy = RecordDict(dict(content.items()))
        copy[HARNESS] = ConfigRecord({**self.order, "round": number})
        return copy

    def _explain(self, partition: int, answer: Reply | Fault) -> Reply | Fault:
        """Tell a hang, whose process left its stack, from another death."""
        path = hang_file(Path(str(self.order["hang-dir"])), partition)
        if isinstance(answer, Fault) and path.is_file() and path.stat().st_size:
            stack = path.read_text(errors="replace")
            path.unlink()
            limit = self.limits.client_timeout_s
            return Fault(f"it hung past its limit of {limit:g} s and was ended", details=stack)
        return answer

    def _failure(self, partition: int, fault: Fault, attempts: int) -> Exception:
        where = f"client of partition {partition} failed in round {self.round}"
        if fault.final is not None:
            return fault.final(f"{where}: {fault.cause}")
        details = f"\n{fault.details.rstrip()}" if fault.details else ""
        return ClientFailedError(
            f"{where}, attempt {attempts} of {self.limits.retries + 1}: {fault.cause};"
            f" mend it and resume the run{details}"
        )

    def query(self, kind: str, arrays: Mapping[str, np.ndarray] | None = None) -> RecordDict:
        """Ask partition 0 something that trains nothing.

        Args:
            kind: message type, `query.initial` or `query.save`.
            arrays: adapter to send along.

        Raises:
            FederationError: it failed after its retries.
        """
        from harness.federation.replies import read_error
        from harness.federation.tensors import to_record

        content = RecordDict({ARRAYS: to_record(arrays)} if arrays is not None else {})
        fault = Fault("no reply")
        for attempt in range(1, self.limits.retries + 2):
            asked = {self.roster[0]: self.addressed(content, self.round)}
            try:
                [(_, message)] = self.post.exchange(asked, kind, self.limits.silence_s(1))
                if not message.has_error():
                    return message.content
                fault = read_error(message.error.reason or "no reason given")
            except SilenceError as error:
                fault = Fault(str(error))
            explained = self._explain(0, fault)
            fault = explained if isinstance(explained, Fault) else fault
            if fault.final is not None:
                raise fault.final(fault.cause)
            if attempt <= self.limits.retries:
                self.recover()
                self.post.pause(RETRY_PAUSE_S)
        details = f"\n{fault.details.rstrip()}" if fault.details else ""
        raise FederationError(f"partition 0 could not answer {kind!r}: {fault.cause}{details}")


def _count_bytes(content: RecordDict) -> int:
    return sum(record.count_bytes() for record in content.array_records.values())


def array_record(content: RecordDict) -> ArrayRecord:
    """Return the one array record of a reply.

    Raises:
        FederationError: it is missing.
    """
    record = content.array_records.get(ARRAYS)
    if record is None:
        raise FederationError(f"a reply holds no {ARRAYS!r}; expected the adapter")
    return record


def elapsed_since(begin: float) -> float:
    """Return seconds since `begin` of `time.monotonic`."""
    return time.monotonic() - begin
