"""AuditedGrid: what a strategy sees of the federation, in an order that repeats itself.

Node ids come in partition order, replies in partition order, every byte of a train message is
counted, and a reply that is missing, an error or not an update is asked for again and then ends the
run: a strategy never sees fewer replies than the clients it sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from harness.document.units import how_many
from harness.errors import PluginError, RuleViolationError, UsageError
from harness.federation.serverapp.client_requests import ClientRequests
from harness.federation.serverapp.coded_messages import code_messages
from harness.federation.serverapp.message_checks import check_messages, count_bytes
from harness.federation.serverapp.reply_checks import Reply
from harness.federation.serverapp.round_record import Exchange
from harness.federation.wire.names import ARRAYS_RECORD
from harness.federation.wire.tensors import to_tensors

MOST_LOOKS = 10
"""How often a strategy may ask for the nodes in one round. Flower's asks once when enough are
there, and else once a second, for ever."""


class ReplayedError(Exception):
    """The one client of a replay has answered, which ends Flower's loop."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply."""
        super().__init__(f"partition {reply.partition} was replayed")
        self.reply = reply


class AuditedGrid(Grid):  # type: ignore[misc]  # Flower is untyped to mypy here
    """A Flower grid over a roster of partitions."""

    def __init__(self, requests: ClientRequests, bytes_total: int) -> None:
        """Reach the clients through `requests`; `bytes_total` is what all rounds before moved."""
        self.requests = requests
        self.round = 0
        self.looks = 0
        self.bytes_total = bytes_total
        self.last: Exchange | None = None

    def open_round(self, number: int) -> None:
        """Allow the train messages of one round."""
        self.round = number
        self.last = None
        self.looks = 0

    def set_run(self, run: Any) -> None:
        """Pass on to Flower's grid."""
        self.requests.transport.grid.set_run(run)

    @property
    def run(self) -> Any:
        """Return Flower's run."""
        return self.requests.transport.grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Pass on to Flower's grid (deprecated there)."""
        return self.requests.transport.grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> list[int]:
        """Return all node ids in partition order.

        Raises:
            PluginError: asked over and over in one round, as Flower's sampling does until there are
                more nodes: there never will be.
        """
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise PluginError(
                f"the strategy waits in round {self.round} for more than the"
                f" {len(self.requests.roster)} supernodes that there are; give it the context's"
                " num_supernodes and clients_per_round"
            )
        return list(self.requests.roster.values())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Refuse what would go past the audit of replies.

        Raises:
            PluginError: always.
        """
        raise PluginError("the strategy pushes messages itself; return them from configure_train")

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Refuse what would go past the audit of replies.

        Raises:
            PluginError: always.
        """
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
            FederationError: the run's codec cannot encode a message.
            UsageError: the one partition to replay was not sampled.
            ReplayedError: it was, and has answered.
        """
        run = self.requests.run
        plan = run.plan(self.round)
        wanted = check_messages(
            list(messages), self.requests.partition_of, plan, run.message_keys, self.round
        )
        if not wanted:
            return []
        if len(wanted) != run.context.clients_per_round:
            raise PluginError(
                f"the strategy sampled {how_many(len(wanted), 'client')} in round {self.round}; the"
                f" recipe's fraction gives {run.context.clients_per_round}; pass the context's"
                " fraction on"
            )
        only = self.requests.options.only
        if only is not None:
            if only not in wanted:
                sampled = ", ".join(str(partition) for partition in wanted)
                raise UsageError(
                    f"partition {only} was not sampled in round {self.round}; sampled: {sampled}"
                )
            one = code_messages({only: wanted[only]}, plan, run.spec.train.codec)
            [reply] = self.requests.train(self.round, one, plan)
            raise ReplayedError(reply)
        coded = code_messages(wanted, plan, run.spec.train.codec)
        down = sum(count_bytes(content) for content in coded.contents.values())
        self._check_limit(self.bytes_total + down)
        replies = self.requests.train(self.round, coded, plan)
        up = sum(reply.bytes_up for reply in replies)
        self._check_limit(self.bytes_total + down + up)
        self.bytes_total += down + up
        records = {id(r): r for r in (content[ARRAYS_RECORD] for content in wanted.values())}
        sent = tuple(to_tensors(record) for record in records.values())
        self.last = Exchange(
            self.round,
            tuple(replies),
            down,
            up,
            sent,
            encoded_sha256=coded.sha256,
            codec_loss=coded.loss,
        )
        return [reply.message for reply in replies]

    def _check_limit(self, total: int) -> None:
        limit = self.requests.run.job.challenge.communication.limit_bytes
        if total > limit:
            raise RuleViolationError(
                f"round {self.round} takes the communication to {total} bytes; the challenge allows"
                f" {limit}; use fewer rounds, clients or adapter weights"
            )
