"""ResultRecord: what was measured when a RunSpec was run. The product.

Fractions are in [0, 1], sizes are bytes, times are UTC and seconds (`_s`). Percent, MiB and GiB
appear only when something is rendered for people.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from harness.document import Document, canonical_json, sha256_text
from harness.errors import RecordError
from harness.spec import ChallengeRef, PluginRef, RunSpec

RECORD_SCHEMA = "flowertune-harness/result"
RECORD_VERSION = 1
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
    """Digest of the tensors it returned; see `harness.federation.tensors.digest_arrays`."""
    bytes_up: int = Field(ge=0)
    attempts: int = Field(1, ge=1)


class RoundRecord(Document):
    """One round of the federation, linked to the round before it by digest."""

    round: int = Field(ge=1)
    partitions: tuple[int, ...]
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
    clients: tuple[ClientRecord, ...]
    aggregate_sha256: str
    """Digest of the aggregated tensors."""
    aggregation_error: float | None = None
    """||mean(BA) - mean(B)mean(A)|| / ||mean(BA)|| for low-rank methods, else None."""
    duration_s: float = Field(ge=0)
    previous_digest: str
    digest: str
    """`chain_digest` of this round: everything above but `duration_s` and `attempts`."""

    def chain_digest(self) -> str:
        """Recompute the digest of this round from its other fields."""
        body = self.model_dump(mode="json", exclude={"duration_s", "digest"})
        for client in body["clients"]:
            del client["attempts"]
        return sha256_text(canonical_json(body))


class Federation(Document):
    """The federation as it ran."""

    num_supernodes: int
    roster_sha256: str
    """Digest of the partition ids that the supernodes answered, ascending."""
    rounds: tuple[RoundRecord, ...]


class CommunicationRecord(Document):
    """Bytes of all train messages, both directions."""

    bytes_total: int = Field(ge=0)
    limit_bytes: int = Field(gt=0)
    message_bytes: int = Field(gt=0)
    """One message by the Message API: sum over tensors of 4*numel + 128 + len(key)."""
    message_bytes_legacy: int = Field(gt=0)
    """The same without the keys: what runs before 2025-09-17 counted."""


class TensorShape(Document):
    """One tensor of the adapter."""

    name: str
    shape: tuple[int, ...]


class AdapterRecord(Document):
    """The final adapter."""

    sha256: str
    """Of `adapter_model.safetensors`."""
    parameters: int = Field(gt=0)
    file_bytes: int = Field(gt=0)
    tensors: tuple[TensorShape, ...]
    """Sorted by name."""


class Leak(Document):
    """Evaluation rows that are in the training data, and the score without them."""

    exact_rows: int = Field(ge=0)
    """Rows that must themselves be training rows, by counting copies of sentence and label."""
    text_rows: int = Field(ge=0)
    """Rows whose text is a training row's, whatever the label."""
    clean_value: float | None
    """Accuracy without the `text_rows`; None when no row is left."""
    clean_examples: int = Field(ge=0)


class Score(Document):
    """One number of one evaluation set."""

    task: str
    metric: Literal["accuracy", "loglikelihood_accuracy"]
    """`accuracy` is the official one."""
    value: float = Field(ge=0, le=1)
    correct: int = Field(ge=0)
    examples: int = Field(gt=0)
    stderr: float = Field(ge=0)
    interval: tuple[float, float]
    """95 % by bootstrap over rows."""
    macro_f1: float
    mcc: float
    invalid_rate: float | None
    """Share of answers with no label word; None where raw text is absent or none is generated."""
    leak: Leak | None
    references: dict[str, float]
    """`empty_answer`, `best_constant`, `majority` of the same rows."""
    protocol: str
    generations_sha256: str


class DataRecord(Document):
    """One data set or model as it was used."""

    name: str
    kind: Literal["training", "evaluation", "model"]
    source: Literal["mirror", "cache", "hub", "wheel", "synthetic"]
    revision: str
    rows: int | None = None
    sha256: str
    """Of the one file, or of the sorted `name:sha256` lines of several."""
    files: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    """Why this is not what the challenge pins, one sentence each; empty when it is."""


class Device(Document):
    """The device that trained."""

    kind: Literal["cpu", "cuda"]
    name: str
    threads: int
    actors: int
    dtype: str
    """Compute type that was really used."""
    deterministic: bool
    note: str = ""


class GitState(Document):
    """The harness checkout, when it ran from one."""

    commit: str
    dirty: bool


class Environment(Document):
    """Versions and machine."""

    python: str
    platform: str
    packages: dict[str, str]
    device: Device
    git: GitState | None


class Cost(Document):
    """Cost derived from the recipe's price table and the measured time."""

    currency: str
    per_hour: float
    hours: float
    total: float


class ResultRecord(Document):
    """The standardised result of a run."""

    model_config = ConfigDict(title="FlowerTune harness result", populate_by_name=True)

    schema_name: Literal["flowertune-harness/result"] = Field(
        default="flowertune-harness/result", alias="schema"
    )
    schema_version: int = RECORD_VERSION
    run_id: str
    created: str
    """UTC, ISO 8601."""
    eligible: bool
    ineligible_because: tuple[str, ...]
    challenge: ChallengeRef
    spec_digest: str
    spec: RunSpec
    federation: Federation
    communication: CommunicationRecord
    adapter: AdapterRecord
    scores: tuple[Score, ...]
    average: float
    """Plain mean of the official accuracies."""
    timing: dict[str, float]
    """Stage -> seconds, sessions of a resumed run added up."""
    cost: Cost | None = None
    environment: Environment
    plugins: tuple[PluginRef, ...]
    data: tuple[DataRecord, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value, with `schema` for `schema_name`."""
        return self.model_dump(mode="json", by_alias=True)


def average(scores: tuple[Score, ...]) -> float:
    """Return the leaderboard's number: the plain mean of the official accuracies."""
    values = [score.value for score in scores if score.metric == "accuracy"]
    return sum(values) / len(values)


def migrate(value: Any, where: str) -> Any:
    """Check the schema version of a parsed record before it is validated.

    Raises:
        RecordError: not a result record, or newer than this harness reads.
    """
    if not isinstance(value, dict) or value.get("schema") != RECORD_SCHEMA:
        raise RecordError(f'{where}: not a result record; expected "schema": "{RECORD_SCHEMA}"')
    version = value.get("schema_version")
    if type(version) is not int or version < 1:
        raise RecordError(
            f"{where}: schema_version is {version!r:.40}; expected a whole number >= 1"
        )
    if version > RECORD_VERSION:
        raise RecordError(
            f"{where}: schema_version {version} is newer than this harness reads"
            f" ({RECORD_VERSION}); install a newer flowertune-harness"
        )
    return value


class Scores(Document):
    """`scores.json` of a run directory."""

    scores: tuple[Score, ...]
    model_sha256: str
    """Digest of the base model's files that were evaluated."""
    adapter_sha256: str | None
    """Digest of `adapter_model.safetensors`; None for the untrained base."""
    packages: dict[str, str]
    """Versions that decide the numbers."""
    duration_s: float = Field(ge=0)
    trust_remote_code: bool = False
