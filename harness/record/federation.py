"""The federation as it ran: rounds, clients and the bytes of their messages."""

from __future__ import annotations

from pydantic import Field

from harness.document import Document, canonical_json, sha256_text
from harness.record.dependence import Dependence

GENESIS = "0" * 64
"""`previous_digest` of round 1."""


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
    rounds: tuple[RoundRecord, ...] = Field(fail_fast=True)


class CommunicationRecord(Document):
    """Bytes of all train messages, both directions."""

    bytes_total: int = Field(ge=0)
    limit_bytes: int = Field(gt=0)
    message_bytes: int = Field(gt=0)
    """One message by the Message API: sum over tensors of 4*numel + 128 + len(key)."""
    message_bytes_legacy: int = Field(gt=0)
    """The same without the keys: what runs before 2025-09-17 counted."""
