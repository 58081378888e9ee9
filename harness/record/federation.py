"""The federation as it ran: rounds, clients and the bytes of their messages."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from harness.document import Document, canonical_json, sha256_text
from harness.record.dependence import Dependence

GENESIS = "0" * 64
"""`previous_digest` of round 1."""


def _unsaid(value: object) -> bool:
    """Whether a field is left out of the written form: rounds without a codec keep theirs."""
    return value is None


class ClientRecord(Document):
    """What one client did in one round."""

    partition: int = Field(ge=0)
    examples: int = Field(gt=0)
    """Examples of the partition: its weight in the average."""
    train_loss: float
    """Mean over the optimizer steps."""
    update_sha256: str
    """Digest of the tensors it returned; see `harness.federation.wire.tensors.digest_arrays`."""
    bytes_up: int = Field(ge=0)
    attempts: int = Field(1, ge=1)
    trained_influence: float | None = Field(None, ge=0)
    """|change of its reply| / |change of the tensors that it trained|, as the client measured it;
    1.0 where the harness itself returns them. None: not measured."""
    influence: float | None = Field(None, ge=0)
    """|change of the aggregate| / |change of its reply|, where the harness does not know the
    strategy's formula. None: not measured."""
    encoded_sha256: str | None = Field(None, exclude_if=_unsaid)
    """Digest of the encoded message as it came; None: the run's codec does not go up."""
    codec_loss: float | None = Field(None, ge=0, exclude_if=_unsaid)
    """|lost| / |change|, L2, as the client measured it when it encoded."""


class RoundRecord(Document):
    """One round of the federation, linked to the round before it by digest."""

    round: int = Field(ge=1)
    partitions: tuple[int, ...] = Field(fail_fast=True)
    """Sampled partitions, ascending."""
    bytes_down: int = Field(ge=0)
    bytes_up: int = Field(ge=0)
    message_bytes_down: int | None = Field(None, ge=0)
    """One message to a client, where it is not the whole adapter; see `RoundPlan`."""
    message_bytes_up: int | None = Field(None, ge=0)
    """One message from a client, where it is not the whole adapter."""
    train_loss: float
    """Mean of the clients' losses weighted by examples."""
    learning_rate: float
    clients: tuple[ClientRecord, ...] = Field(fail_fast=True)
    aggregate_sha256: str
    """Digest of the aggregated tensors."""
    aggregation_error: float | None = None
    """||mean(BA) - mean(B)mean(A)|| / ||mean(BA)|| for low-rank methods, else None."""
    dependence: Dependence | None = None
    """What shows that the aggregate is made of the replies. None: not measured, in rounds of
    before."""
    encoded_sha256: str | None = Field(None, exclude_if=_unsaid)
    """Digest of the encoded messages to the clients; None: the run's codec does not go down."""
    codec_loss: float | None = Field(None, ge=0, exclude_if=_unsaid)
    """|lost| / |message|, L2, of what went down; the largest where messages differ."""
    duration_s: float = Field(ge=0)
    previous_digest: str
    digest: str
    """`chain_digest` of this round: everything above but `duration_s` and `attempts`; of a
    round of before, without `dependence` and the clients' influences."""

    def chain_digest(self) -> str:
        """Recompute the digest of this round from its other fields."""
        body = self.model_dump(mode="json", exclude={"duration_s", "digest"})
        for client in body["clients"]:
            del client["attempts"]
        if self.dependence is None:  # a round of before, whose digest was taken without
            del body["dependence"]
            for client in body["clients"]:
                del client["trained_influence"], client["influence"]
        return sha256_text(canonical_json(body))


class Federation(Document):
    """The federation as it ran."""

    num_supernodes: int
    roster_sha256: str
    """Digest of the partition ids that the supernodes answered, ascending."""
    rounds: tuple[RoundRecord, ...] = Field(min_length=1, fail_fast=True)


DP_DELTA = 1e-5
"""Of a stated epsilon. Source: usual for populations far below 100,000."""


class PrivacyRecord(Document):
    """What a run with differentially private aggregates leaks of one client, at most.

    By Flower's accountant (Renyi differential privacy, no amplification by sampling), for one
    client added or removed, against whoever does not know the seed of which the noise is drawn.
    """

    epsilon: float | None = Field(ge=0)
    """None: not computed; the note says why."""
    delta: float = Field(gt=0, lt=1)
    releases: int = Field(ge=1)
    """Rounds: each aggregate is one."""
    noise_multiplier: float = Field(ge=0)
    """The smallest of a round: z / (K max_i p_i), the noise by what its heaviest client can
    change; p_i is a client's share of the examples."""
    note: str = ""


def effective_multiplier(stated: float, examples: Sequence[int]) -> float:
    """Return the noise of a round's mean by the most that one of its clients can change.

    Flower draws noise of z C / K. A client with a share p of the examples changes the mean by p C:
    with shares 0.5, 0.25 and 0.25 the noise that counts is z / 1.5.

    Args:
        stated: z.
        examples: of the round's clients.
    """
    return stated / (len(examples) * max(examples) / sum(examples))


class CommunicationRecord(Document):
    """Bytes of all train messages, both directions."""

    bytes_total: int = Field(ge=0)
    limit_bytes: int = Field(gt=0)
    message_bytes: int = Field(gt=0)
    """One message by the Message API: sum over tensors of 4*numel + 128 + len(key)."""
    message_bytes_legacy: int = Field(gt=0)
    """The same without the keys: what runs before 2025-09-17 counted."""
