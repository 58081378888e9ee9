"""ResultRecord: what was measured when a RunSpec was run. The product."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from harness.document import Document, parse_document, read_json
from harness.errors import RecordError
from harness.record.data import DataRecord
from harness.record.federation import CommunicationRecord, Federation, PrivacyRecord
from harness.record.isolation import Isolation
from harness.record.machine import Energy, Environment
from harness.record.score import Score
from harness.spec import ChallengeRef, PluginRef, RunSpec

RECORD_SCHEMA = "flowertune-harness/result"
RECORD_VERSION = 2

DECLARED = "declared"
"""What a run of audited components and data alone is called."""


FEDERATE, EVALUATE = STAGES = ("federate", "evaluate")
"""Stages of a run, which `harness run` times."""


class TensorShape(Document):
    """One tensor of the adapter."""

    name: str
    shape: tuple[int, ...] = Field(fail_fast=True)


class AdapterRecord(Document):
    """The final adapter."""

    sha256: str
    """Of `adapter_model.safetensors`."""
    parameters: int = Field(gt=0)
    file_bytes: int = Field(gt=0)
    tensors: tuple[TensorShape, ...] = Field(fail_fast=True)
    """Sorted by name."""


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
    ineligible_because: tuple[str, ...] = Field(fail_fast=True)
    challenge: ChallengeRef
    spec_digest: str
    spec: RunSpec
    federation: Federation
    communication: CommunicationRecord
    adapter: AdapterRecord
    scores: tuple[Score, ...] = Field(fail_fast=True)
    average: float
    """Plain mean of the official accuracies."""
    timing: dict[str, float] = Field(max_length=100)
    """Stage -> seconds, sessions of a resumed run added up."""
    cost: Cost | None = None
    energy: Energy | None = None
    """None: not recorded, in records of before."""
    environment: Environment
    plugins: tuple[PluginRef, ...] = Field(fail_fast=True)
    privacy: PrivacyRecord | None = Field(None, exclude_if=lambda found: found is None)
    """Of a run whose strategy adds noise; None for all others, and in records of before."""
    own_code: tuple[str, ...] | None = None
    """Whose code the run's processes loaded beside the harness and audited plugins: names of
    plugins, sorted, and `model <hub id>` for a model that brings code. Empty: the run is
    `declared`, audited components and data alone. None: not stated, in records of before."""
    data: tuple[DataRecord, ...] = Field(fail_fast=True)
    isolation: Isolation | None = None
    """What held the processes that loaded plugins; None: not recorded, as in version 1."""

    @property
    def code(self) -> str:
        """The code that ran, in words: `declared`, `own code: ...` or `not stated`."""
        if self.own_code is None:
            return "not stated"
        return f"own code: {', '.join(self.own_code)}" if self.own_code else DECLARED

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value, with `schema` for `schema_name`."""
        return self.model_dump(mode="json", by_alias=True)


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `result.json`."""
    schema = ResultRecord.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_result(path: Path) -> ResultRecord:
    """Read a record of our own. Raises RecordError as `migrate` and `read_document`."""
    return parse_document(ResultRecord, migrate(read_json(path), str(path)), str(path))


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
    environment = value.get("environment")
    later = {"harness", "foreign_modules", "startup_sha256"} & set(
        environment if isinstance(environment, dict) else ()
    )
    if version == 1 and later:
        raise RecordError(f"{where}: version 1 of a record has no environment.{min(later)}")
    if version == 1 and value.get("isolation") is not None:
        raise RecordError(f"{where}: version 1 of a record has no isolation")
    named = isinstance(environment, dict) and environment.get("harness") is not None
    if version > 1 and not named:
        raise RecordError(f"{where}: environment.harness is missing; it names the code that ran")
    return value
