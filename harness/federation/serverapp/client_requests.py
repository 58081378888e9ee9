"""ClientRequests: asks clients, again when one fails, and ends the run when one keeps failing.

An answer is either checked and whole or a fault; nothing in between reaches a strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Lock

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from harness.components import RoundPlan
from harness.document import sha256_text
from harness.errors import ClientFailedError, FederationError
from harness.federation.clientapp import client_state, kept_in_messages
from harness.federation.clientapp.clients_seen import ClientsSeen
from harness.federation.clientapp.watchdog import take_stack
from harness.federation.open_run import OpenRun
from harness.federation.options import Options
from harness.federation.serverapp.coded_messages import CodedMessages
from harness.federation.serverapp.reply_checks import Fault, Reply, check_reply, read_error
from harness.federation.serverapp.transport import SilenceError, Transport
from harness.federation.storage.checkpoint import CHECKPOINTS
from harness.federation.wire.names import ARRAYS_RECORD, HARNESS_RECORD, QUERY_INITIAL, TRAIN
from harness.federation.wire.shared_memory import on_disk, outgoing_record
from harness.federation.wire.tensors import to_tensors
from harness.progress import say
from harness.record.file_names import LOGS

RETRY_PAUSE_S = 1.0
"""Pause before a client is asked again."""

CHECKED_AT_ONCE = 2
"""Replies that are digested side by side; the next one is fetched when one of them is done."""

KEPT_IN_MEMORY = 1
"""Replies of a round that stay in memory; the others wait in files for their round's end. With the
one that is being checked and the one that is being fetched they are three, but for what the
allocator does not give back."""


class ClientRequests:
    """Speaks to clients by partition."""

    def __init__(
        self,
        run: OpenRun,
        transport: Transport,
        roster: Mapping[int, int],
        run_dir: Path,
        options: Options,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            run: what clients are asked to work on.
            transport: the way to the nodes.
            roster: partition id -> node id.
            run_dir: whose folders for logs and for what clients keep the messages name, where
                clients work on this machine.
            options: time limit of a client, and how often it is asked again.
        """
        self.run = run
        self.transport = transport
        self.roster = roster
        self.partition_of = {node: partition for partition, node in roster.items()}
        self.options = options
        self.run_dir = run_dir
        self.in_memory = 0
        """Replies of this round that lie in memory, and those that came after them."""
        self.clients = run_dir / client_state.CLIENT_STATES
        self.kept_travels = options.ray_address is not None
        """Whether what a client keeps travels with its messages, since any node may train it."""
        self.logs = run_dir / LOGS
        self.logs.mkdir(parents=True, exist_ok=True)
        text, here = run.job.canonical_json(), run.job.assets.placed
        self.header = {
            "job": text,
            "job-sha256": sha256_text(text),
            "limit-s": float(options.client_timeout_s),
            "logs-dir": str(self.logs.absolute()) if here else "",
            "keep-steps": options.keep_steps,
            "keep-rounds": options.keep_checkpoints + 1,
            "clients-dir": str(self.clients.absolute()) if here else "",
            "kept-travels": self.kept_travels,
        }
        """What every message says to the harness's client, beside its round."""
        self.last_rounds: dict[int, int] = {}
        """Partition -> the round in which it trained last."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Called when a round's messages are under way, before any reply is looked for."""
        self.seen = ClientsSeen(self.logs, run.spec.train.max_steps)

    def train(self, number: int, coded: CodedMessages, plan: RoundPlan) -> list[Reply]:
        """Let clients train and return their replies in the order of the messages.

        Args:
            number: the round.
            coded: the messages.
            plan: what the round returns.

        Raises:
            ClientFailedError: a client failed after its retries.
            HarnessError: one that a client raised on purpose.
        """
        wanted = coded.contents
        good: dict[int, Reply] = {}
        self.in_memory = 0
        faults: dict[int, Fault] = {}
        self.seen.forget(wanted)
        for attempt in range(1, self.options.retries + 2):
            missing = {key: content for key, content in wanted.items() if key not in good}
            for partition, answer in self._try(number, missing, plan, coded, attempt).items():
                if isinstance(answer, Reply):
                    good[partition] = answer
                else:
                    faults[partition] = answer
            left = [partition for partition in wanted if partition not in good]
            if not left:
                self.last_rounds.update(dict.fromkeys(wanted, number))
                self.seen.forget(wanted)
                return [good[partition] for partition in wanted]
            final = [partition for partition in left if faults[partition].final is not None]
            if final or attempt > self.options.retries:
                partition = (final or left)[0]
                raise self._failure(number, partition, faults[partition], attempt)
            self._recover(number, {key: faults[key] for key in left}, attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def initial_adapter(self) -> RecordDict:
        """Ask partition 0 for the adapter as peft initialises it; every client has the same.

        Raises:
            FederationError: it failed after its retries.
            HarnessError: one that the client raised on purpose.
        """
        fault = Fault("no reply")
        for attempt in range(1, self.options.retries + 2):
            asked = {self.roster[0]: self._addressed(RecordDict(), 0, 0)}
            try:
                [(_, message)] = self.transport.exchange(asked, QUERY_INITIAL, self._silence_s(1))
                if not message.has_error():
                    return message.content
                fault = self._explained(0, read_error(message.error.reason or "no reason given"))
            except SilenceError as error:
                fault = Fault(str(error))
            if fault.final is not None:
                raise fault.final(fault.cause)
            if attempt <= self.options.retries:
                self._recover(0, {0: fault}, attempt)
        raise FederationError(
            f"partition 0 could not make the initial adapter: {fault.cause}; mend the cause and"
            f" resume the run{_indented(fault.details)}"
        )

    def _silence_s(self, messages: int) -> float:
        """Return how long the server waits for the replies to so many messages, in seconds.

        Five clients on two processes take three turns: with an hour for each client and 960 s of
        grace, the server gives up after 3 h 16 min.
        """
        turns = -(-messages // self.transport.actors)
        return turns * self.options.client_timeout_s + self.options.grace_s

    def _try(
        self,
        number: int,
        contents: Mapping[int, RecordDict],
        plan: RoundPlan,
        coded: CodedMessages,
        attempt: int,
    ) -> dict[int, Reply | Fault]:
        """Send train messages once and check each reply on arrival.

        Args:
            number: the round.
            contents: partition -> content, of those that are asked now.
            plan: what the round returns.
            coded: all messages of the round.
            attempt: how often they have been asked with this.
        """
        codec = self.run.spec.train.codec
        answers: dict[int, Reply | Fault] = {}
        checks: list[Future[None]] = []
        counting = Lock()

        def check(partition: int, message: Message) -> None:
            held = coded.held.get(partition, {})
            if self.kept_travels and message.has_content():
                kept_in_messages.take(message.content, self.clients, partition, number)
            answer = check_reply(message, partition, plan.up, attempt, codec, held)
            if isinstance(answer, Fault):
                answers[partition] = self._explained(partition, answer)
                return
            with counting:
                answers[partition] = self._kept(answer)
            self.seen.tell(partition)

        asked = {
            self.roster[partition]: self._addressed(content, partition, number)
            for partition, content in contents.items()
        }
        self._lend(asked.values())
        try:
            limit_s = self._silence_s(len(asked))
            replies = self.transport.exchange(
                asked, TRAIN, limit_s, self.meanwhile, each_look=lambda: self.seen.look(contents)
            )
            with ThreadPoolExecutor(CHECKED_AT_ONCE) as pool:
                for node, message in replies:
                    checks.append(pool.submit(check, self.partition_of[node], message))
                    del message
                    wait([item for item in checks if not item.done()][: 1 - CHECKED_AT_ONCE])
        except SilenceError as error:
            for node in error.nodes:
                fault = Fault(f"no reply within {error.limit_s:.0f} s")
                answers[self.partition_of[node]] = fault
        for done in checks:
            done.result()
        return answers

    def _kept(self, reply: Reply) -> Reply:
        """Return a reply where it waits for the end of its round."""
        self.in_memory += 1
        if self.in_memory <= KEPT_IN_MEMORY:
            return reply
        try:
            record = on_disk(reply.arrays, self.run_dir / CHECKPOINTS)
        except OSError as error:
            raise FederationError(
                f"{self.run_dir}: a reply of {reply.bytes_up} bytes cannot be kept until its round"
                f" ends ({error.strerror}); free disk space and resume the run"
            ) from None
        reply.message.content[ARRAYS_RECORD] = record
        return replace(reply, arrays=to_tensors(record))

    def _addressed(self, content: RecordDict, partition: int, number: int) -> RecordDict:
        """Return a copy of a message's content with the harness's own record."""
        copy = RecordDict(dict(content.items()))
        own = {"round": number, "last-round": self.last_rounds.get(partition, 0)}
        copy[HARNESS_RECORD] = ConfigRecord({**self.header, **own})
        if self.kept_travels and own["last-round"]:
            kept_in_messages.put(copy, self.clients, partition, own["last-round"])
        return copy

    def _lend(self, contents: Iterable[RecordDict]) -> None:
        """Put what is to be sent where clients can read it; what goes to many, once."""
        lent: dict[int, ArrayRecord] = {}
        for content in contents:
            record = content[ARRAYS_RECORD]
            if id(record) not in lent:
                lent[id(record)] = outgoing_record(record)
            content[ARRAYS_RECORD] = lent[id(record)]

    def _explained(self, partition: int, fault: Fault) -> Fault:
        """Tell a hang, whose process left its stack, from another death."""
        stack = take_stack(self.logs, partition)
        if stack is None:
            return fault
        limit = self.options.client_timeout_s
        return Fault(f"it hung past its limit of {limit:g} s and was ended", details=stack)

    def _recover(self, number: int, faults: Mapping[int, Fault], attempt: int) -> None:
        """Say who failed, which a run that goes on well would never tell, and ask them again."""
        partitions = ", ".join(map(str, faults))
        causes = "; ".join(dict.fromkeys(fault.cause for fault in faults.values()))
        say(
            f"round {number}, attempt {attempt} of {self.options.retries + 1}: partition"
            f" {partitions} failed: {causes}; asked again"
        )
        self.transport.recover()
        self.transport.pause(RETRY_PAUSE_S)

    def _failure(self, number: int, partition: int, fault: Fault, attempts: int) -> Exception:
        where = f"client of partition {partition} failed in round {number}"
        if fault.final is not None:
            return fault.final(f"{where}: {fault.cause}")
        return ClientFailedError(
            f"{where}, attempt {attempts} of {self.options.retries + 1}: {fault.cause};"
            f" mend the cause and resume the run{_indented(fault.details)}"
        )


def _indented(details: str) -> str:
    return "".join(f"\n  {line}" for line in details.rstrip().splitlines())
