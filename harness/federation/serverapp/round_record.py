"""A round, from its traffic to its RoundRecord."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.document.float_sums import sum_in_order
from harness.errors import FederationError
from harness.federation.dependence.influence import Influence
from harness.federation.dependence.trial import MidRound
from harness.federation.serverapp.aggregation_error import aggregation_error
from harness.federation.serverapp.reply_checks import Reply
from harness.federation.wire.tensors import digest_arrays
from harness.planning.forecast import message_bytes
from harness.record.dependence import Dependence
from harness.record.federation import ClientRecord, RoundRecord


@dataclass(frozen=True, slots=True)
class Exchange:
    """What went to the clients of one round and came back."""

    round: int
    replies: tuple[Reply, ...]
    """In partition order."""
    bytes_down: int
    bytes_up: int
    sent: tuple[Mapping[str, np.ndarray], ...] = ()
    """The arrays of the messages; of one that went to many, once."""
    rest: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Tensors of the adapter that every client held and nobody returned."""
    before: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The whole adapter that the round began with."""
    held: MidRound | None = None
    """The strategy in the middle of the round, where the harness does not know its formula."""
    encoded_sha256: str | None = None
    """Of the encoded messages to the clients, where the run's codec goes down."""
    codec_loss: float | None = None
    """What was lost of them."""


def client_record(reply: Reply, influence: float | None = None) -> ClientRecord:
    """Return what one client did, and what influence its reply had where that was measured."""
    return ClientRecord(
        partition=reply.partition,
        examples=reply.examples,
        train_loss=reply.train_loss,
        update_sha256=reply.update_sha256,
        bytes_up=reply.bytes_up,
        attempts=reply.attempts,
        trained_influence=reply.trained_influence,
        influence=influence,
        encoded_sha256=reply.encoded_sha256,
        codec_loss=reply.codec_loss,
    )


def round_record(
    exchange: Exchange,
    aggregate: Mapping[str, np.ndarray],
    previous: str,
    took_s: float,
    dependence: Dependence | None = None,
    influence: Influence | None = None,
) -> RoundRecord:
    """Return the record of a round, linked to the digest of the round before it.

    Args:
        exchange: what went to the clients and came back.
        aggregate: the adapter after the round, float32, by tensor name.
        previous: digest of the round before, or that of no round.
        took_s: how long the round took, in seconds.
        dependence: what shows that the aggregate is made of the replies.
        influence: of each client, where it was measured.

    Raises:
        FederationError: the clients trained with different learning rates.
    """
    replies = exchange.replies
    rates = sorted({reply.learning_rate for reply in replies})
    if len(rates) != 1:
        raise FederationError(
            f"clients of round {exchange.round} trained with learning rates {rates}; expected one;"
            " this is a defect of the harness"
        )
    examples = [reply.examples for reply in replies]
    losses = [reply.train_loss for reply in replies]
    weighted = sum_in_order(n * loss for n, loss in zip(examples, losses, strict=True))
    weighted /= sum(examples)
    whole = message_bytes({name: array.shape for name, array in aggregate.items()})
    one_down = exchange.bytes_down // len(replies)
    one_up = exchange.bytes_up // len(replies)
    updates = [{**exchange.rest, **reply.arrays} for reply in replies]
    factors = [{name: item[name] for name in aggregate if name in item} for item in updates]
    record = RoundRecord(
        round=exchange.round,
        partitions=tuple(reply.partition for reply in replies),
        bytes_down=exchange.bytes_down,
        bytes_up=exchange.bytes_up,
        message_bytes_down=None if one_down == whole else one_down,
        message_bytes_up=None if one_up == whole else one_up,
        train_loss=weighted,
        learning_rate=rates[0],
        clients=tuple(
            client_record(reply, influence.clients.get(place) if influence else None)
            for place, reply in enumerate(replies)
        ),
        aggregate_sha256=digest_arrays(aggregate),
        aggregation_error=aggregation_error(factors, examples),
        dependence=dependence,
        encoded_sha256=exchange.encoded_sha256,
        codec_loss=exchange.codec_loss,
        duration_s=took_s,
        previous_digest=previous,
        digest="",
    )
    return record.with_values(digest=record.chain_digest())
