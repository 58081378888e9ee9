"""AuditedGrid: what a strategy sees of the federation, in an order that repeats itself.

Node ids come in partition order, replies in partition order, every byte of a train message is
counted, and a reply that is missing, an error or not an update is asked for again and then ends the
run: a strategy never sees fewer replies than the clients it sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from harness.components import RoundPlan
from harness.errors import (
    ClientFailedError,
    FederationError,
    PluginError,
    RuleViolationError,
    UsageError,
)
from harness.federation.client import hang_file
from harness.federation.messages import check_messages, count_bytes
from harness.federation.post import Post, SilenceError
from harness.federation.replies import Fault, Reply, check_reply, read_error
from harness.federation.tensors import to_record
from harness.federation.wire import ARRAYS, HARNESS, TRAIN

STACK_CHARACTERS = 2_000
"""Of the stack of a client that hung, in an error message."""

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
class Session:
    """What the grid needs to know of the run."""

    order: Mapping[str, Any]
    """Keys of the harness's ConfigRecord that every message carries."""
    plan_of: Callable[[int], RoundPlan]
    """Round -> what it moves."""
    last_round: Callable[[int], int]
    """Partition -> the round in which it trained last, 0 if never."""
    read_keys: frozenset[str]
    """Keys of a strategy's config that its client part reads."""
    recover: Callable[[], None]
    """Called after a fault, before the retry; brings dead clients back."""
    only: int | None = None
    """Ask this partition alone, and end with ReplayedError."""
    on_reply: Callable[[int], None] = lambda partition: None
    """Called with the partition of each good reply, in order of arrival."""


class ReplayedError(Exception):
    """The one client of a replay has answered."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply."""
        super().__init__(f"partition {reply.partition} was replayed")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round's traffic."""

    round: int
    replies: tuple[Reply, ...]
    """In partition order."""
    bytes_down: int
    bytes_up: int
    rest: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Tensors of the adapter that every client held and nobody returned."""


class AuditedGrid(Grid):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A Flower grid over a roster of partitions."""

    def __init__(
        self, post: Post, roster: Mapping[int, int], session: Session, limits: Limits
    ) -> None:
        """Wrap the way to the nodes; `roster` is partition id -> node id."""
        self.post = post
        self.roster = dict(sorted(roster.items()))
        self.partition_of = {node: partition for partition, node in roster.items()}
        self.session = session
        self.limits = limits
        self.round = 0
        self.bytes_before = 0
        self.last: Exchange | None = None

    def open_round(self, number: int, bytes_before: int) -> None:
        """Allow the train messages of one round; `bytes_before` is the total so far."""
        self.round = number
        self.bytes_before = bytes_before
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
        plan = self.session.plan_of(self.round)
        wanted = check_messages(
            list(messages), self.partition_of, plan, self.session.read_keys, self.round
        )
        if not wanted:
            return []
        if len(wanted) != self.limits.clients_per_round:
            raise PluginError(
                f"the strategy sampled {len(wanted)} clients in round {self.round}; the recipe's"
                f" fraction gives {self.limits.clients_per_round}; pass the context's fraction on"
            )
        if self.session.only is not None:
            raise ReplayedError(self._replay(wanted, plan, self.session.only))
        down = sum(count_bytes(content) for content in wanted.values())
        self._check_limit(self.bytes_before + down)
        replies = self._collect(wanted, plan)
        up = sum(reply.bytes_up for reply in replies)
        self._check_limit(self.bytes_before + down + up)
        self.last = Exchange(self.round, tuple(replies), down, up)
        return [reply.message for reply in replies]

    def _check_limit(self, total: int) -> None:
        if total > self.limits.limit_bytes:
            raise RuleViolationError(
                f"round {self.round} takes the communication to {total} bytes; the challenge allows"
                f" {self.limits.limit_bytes}; use fewer rounds, clients or adapter weights"
            )

    def _collect(self, wanted: dict[int, RecordDict], plan: RoundPlan) -> list[Reply]:
        good: dict[int, Reply] = {}
        faults: dict[int, Fault] = {}
        for attempt in range(1, self.limits.retries + 2):
            missing = {key: content for key, content in wanted.items() if key not in good}
            for partition, answer in self._ask(missing, plan, attempt).items():
                if isinstance(answer, Reply):
                    good[partition] = answer
                else:
                    faults[partition] = answer
            left = [partition for partition in wanted if partition not in good]
            if not left:
                return [good[partition] for partition in wanted]
            final = [partition for partition in left if faults[partition].final is not None]
            if final or attempt > self.limits.retries:
                partition = (final or left)[0]
                raise self._failure(partition, faults[partition], attempt)
            self.session.recover()
            self.post.pause(RETRY_PAUSE_S)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _replay(self, wanted: dict[int, RecordDict], plan: RoundPlan, partition: int) -> Reply:
        if partition not in wanted:
            raise UsageError(
                f"partition {partition} was not sampled in round {self.round}; sampled:"
                f" {', '.join(str(item) for item in wanted)}"
            )
        [reply] = self._collect({partition: wanted[partition]}, plan)
        return reply

    def _ask(
        self, contents: Mapping[int, RecordDict], plan: RoundPlan, attempt: int
    ) -> dict[int, Reply | Fault]:
        """Send train messages once and check each reply on arrival."""
        answers: dict[int, Reply | Fault] = {}
        asked = {self.roster[key]: self._addressed(item, key) for key, item in contents.items()}
        try:
            limit_s = self.limits.silence_s(len(asked))
            for node, message in self.post.exchange(asked, TRAIN, limit_s):
                partition = self.partition_of[node]
                answer = check_reply(message, partition, plan.up, attempt)
                if isinstance(answer, Reply):
                    self.session.on_reply(partition)
                else:
                    answer = self._explained(partition, answer)
                answers[partition] = answer
        except SilenceError as error:
            for node in error.nodes:
                fault = Fault(f"no reply within {error.limit_s:.0f} s")
                answers[self.partition_of[node]] = fault
        return answers

    def _addressed(self, content: RecordDict, partition: int) -> RecordDict:
        """Return a copy of a message's content with the harness's own record."""
        copy = RecordDict(dict(content.items()))
        own = {"round": self.round, "last-round": self.session.last_round(partition)}
        copy[HARNESS] = ConfigRecord({**self.session.order, **own})
        return copy

    def _explained(self, partition: int, fault: Fault) -> Fault:
        """Tell a hang, whose process left its stack, from another death."""
        path = hang_file(Path(str(self.session.order["logs-dir"])), partition)
        if path.is_file() and path.stat().st_size:
            stack = _short_stack(path.read_text(errors="replace"))
            path.unlink()
            limit = self.limits.client_timeout_s
            return Fault(f"it hung past its limit of {limit:g} s and was ended", details=stack)
        return fault

    def _failure(self, partition: int, fault: Fault, attempts: int) -> Exception:
        where = f"client of partition {partition} failed in round {self.round}"
        if fault.final is not None:
            return fault.final(f"{where}: {fault.cause}")
        return ClientFailedError(
            f"{where}, attempt {attempts} of {self.limits.retries + 1}: {fault.cause};"
            f" mend the cause and resume the run{_indented(fault.details)}"
        )

    def query(self, kind: str, arrays: Mapping[str, np.ndarray] | None = None) -> RecordDict:
        """Ask partition 0 something that trains nothing.

        Args:
            kind: message type, `query.initial` or `query.save`.
            arrays: adapter to send along.

        Raises:
            FederationError: it failed after its retries.
        """
        content = RecordDict({ARRAYS: to_record(arrays)} if arrays is not None else {})
        fault = Fault("no reply")
        for attempt in range(1, self.limits.retries + 2):
            asked = {self.roster[0]: self._addressed(content, 0)}
            try:
                [(_, message)] = self.post.exchange(asked, kind, self.limits.silence_s(1))
                if not message.has_error():
                    return message.content
                fault = self._explained(0, read_error(message.error.reason or "no reason given"))
            except SilenceError as error:
                fault = Fault(str(error))
            if fault.final is not None:
                raise fault.final(fault.cause)
            if attempt <= self.limits.retries:
                self.session.recover()
                self.post.pause(RETRY_PAUSE_S)
        raise FederationError(
            f"partition 0 could not answer {kind!r}: {fault.cause}; mend the cause and resume the"
            f" run{_indented(fault.details)}"
        )


def _short_stack(text: str) -> str:
    """Return the beginning of a stack that faulthandler wrote, without the import system."""
    lines = [line for line in text.splitlines() if "<frozen importlib" not in line]
    begin = next((i for i, line in enumerate(lines) if "gc_collect_manager" in line), None)
    if begin is not None:  # Ray's own thread comes first and says nothing
        lines = lines[begin:]
        lines = lines[next((i for i, line in enumerate(lines) if not line.strip()), 0) :]
    return "\n".join(line for line in lines if line.strip())[:STACK_CHARACTERS]


def _indented(details: str) -> str:
    return "".join(f"\n  {line}" for line in details.rstrip().splitlines())
