"""Asker: puts a question to clients, again when one fails, and ends the run when one keeps failing.

An answer is either checked and whole or a fault; nothing in between reaches a strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from harness.components import RoundPlan
from harness.errors import ClientFailedError, FederationError
from harness.federation.clientapp.watchdog import take_stack
from harness.federation.serverapp.exchange import Limits, Session
from harness.federation.serverapp.reply_checks import Fault, Reply, check_reply, read_error
from harness.federation.serverapp.transport import Post, SilenceError
from harness.federation.wire.names import ARRAYS, HARNESS, TRAIN
from harness.federation.wire.shared_memory import outgoing, outgoing_record
from harness.machine.machine import cores

RETRY_PAUSE_S = 1.0
"""Pause before a client is asked again."""


class Asker:
    """Speaks to clients by partition."""

    def __init__(
        self, post: Post, roster: Mapping[int, int], session: Session, limits: Limits
    ) -> None:
        """Use `post` as the way to the nodes; `roster` is partition id -> node id."""
        self.post = post
        self.roster = roster
        self.partition_of = {node: partition for partition, node in roster.items()}
        self.session = session
        self.limits = limits
        self.last_rounds: dict[int, int] = {}
        """Partition -> the round in which it trained last."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Called when a round's messages are under way, before any reply is looked for."""

    def train(self, number: int, wanted: Mapping[int, RecordDict], plan: RoundPlan) -> list[Reply]:
        """Let clients train and return their replies in the order of `wanted`.

        Args:
            number: the round.
            wanted: partition -> content of its message.
            plan: what the round returns.

        Raises:
            ClientFailedError: a client failed after its retries.
            HarnessError: one that a client raised on purpose.
        """
        good: dict[int, Reply] = {}
        faults: dict[int, Fault] = {}
        for attempt in range(1, self.limits.retries + 2):
            missing = {key: content for key, content in wanted.items() if key not in good}
            for partition, answer in self._try(number, missing, plan, attempt).items():
                if isinstance(answer, Reply):
                    good[partition] = answer
                else:
                    faults[partition] = answer
            left = [partition for partition in wanted if partition not in good]
            if not left:
                self.last_rounds.update(dict.fromkeys(wanted, number))
                return [good[partition] for partition in wanted]
            final = [partition for partition in left if faults[partition].final is not None]
            if final or attempt > self.limits.retries:
                partition = (final or left)[0]
                raise self._failure(number, partition, faults[partition], attempt)
            self._recover()
        raise AssertionError("unreachable: the last attempt returns or raises")

    def query(self, kind: str, arrays: Mapping[str, np.ndarray] | None = None) -> RecordDict:
        """Ask partition 0 something that trains nothing.

        Args:
            kind: message type, `query.initial` or `query.save`.
            arrays: adapter to send along.

        Raises:
            FederationError: it failed after its retries.
            HarnessError: one that the client raised on purpose.
        """
        content = RecordDict({ARRAYS: outgoing(arrays)} if arrays is not None else {})
        fault = Fault("no reply")
        for attempt in range(1, self.limits.retries + 2):
            asked = {self.roster[0]: self._addressed(content, 0, 0)}
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
                self._recover()
        raise FederationError(
            f"partition 0 could not answer {kind!r}: {fault.cause}; mend the cause and resume the"
            f" run{_indented(fault.details)}"
        )

    def _try(
        self, number: int, contents: Mapping[int, RecordDict], plan: RoundPlan, attempt: int
    ) -> dict[int, Reply | Fault]:
        """Send train messages once and check each reply on arrival."""
        answers: dict[int, Reply | Fault] = {}
        checks: list[Future[None]] = []
        counting = Lock()

        def check(partition: int, message: Message) -> None:
            answer = check_reply(message, partition, plan.up, attempt)
            if isinstance(answer, Fault):
                answers[partition] = self._explained(partition, answer)
                return
            answers[partition] = answer
            with counting:
                self.session.on_reply(partition)

        asked = {
            self.roster[partition]: self._addressed(content, partition, number)
            for partition, content in contents.items()
        }
        self._lend(asked.values())
        try:
            limit_s = self.limits.silence_s(len(asked))
            replies = self.post.exchange(asked, TRAIN, limit_s, self.meanwhile)
            with ThreadPoolExecutor(cores()) as pool:
                for node, message in replies:
                    checks.append(pool.submit(check, self.partition_of[node], message))
        except SilenceError as error:
            for node in error.nodes:
                fault = Fault(f"no reply within {error.limit_s:.0f} s")
                answers[self.partition_of[node]] = fault
        for done in checks:
            done.result()
        return answers

    def _addressed(self, content: RecordDict, partition: int, number: int) -> RecordDict:
        """Return a copy of a message's content with the harness's own record."""
        copy = RecordDict(dict(content.items()))
        own = {"round": number, "last-round": self.last_rounds.get(partition, 0)}
        copy[HARNESS] = ConfigRecord({**self.session.order, **own})
        return copy

    def _lend(self, contents: Iterable[RecordDict]) -> None:
        """Put what is to be sent where clients can read it; what goes to many, once."""
        lent: dict[int, ArrayRecord] = {}
        for content in contents:
            record = content[ARRAYS]
            if id(record) not in lent:
                lent[id(record)] = outgoing_record(record)
            content[ARRAYS] = lent[id(record)]

    def _explained(self, partition: int, fault: Fault) -> Fault:
        """Tell a hang, whose process left its stack, from another death."""
        stack = take_stack(Path(str(self.session.order["logs-dir"])), partition)
        if stack is None:
            return fault
        limit = self.limits.client_timeout_s
        return Fault(f"it hung past its limit of {limit:g} s and was ended", details=stack)

    def _recover(self) -> None:
        self.session.recover()
        self.post.pause(RETRY_PAUSE_S)

    def _failure(self, number: int, partition: int, fault: Fault, attempts: int) -> Exception:
        where = f"client of partition {partition} failed in round {number}"
        if fault.final is not None:
            return fault.final(f"{where}: {fault.cause}")
        return ClientFailedError(
            f"{where}, attempt {attempts} of {self.limits.retries + 1}: {fault.cause};"
            f" mend the cause and resume the run{_indented(fault.details)}"
        )


def _indented(details: str) -> str:
    return "".join(f"\n  {line}" for line in details.rstrip().splitlines())
