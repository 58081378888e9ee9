"""ClaimRecord: what an existing FlowerTune project says of itself, as it says it.

Figures are kept as written, with the file they stand in, beside what could be recounted from the
project's own files. Findings are not stored: they follow from the claim; see
`harness.claims.findings`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, field_validator

from harness.boards.board import board_names
from harness.document import Document
from harness.errors import RecordError, did_you_mean

CLAIM_SCHEMA: Final = "flowertune-harness/claim"
CLAIM_VERSION = 1

Api = Literal["legacy", "message"]


class Quote(Document):
    """A figure as a file states it."""

    text: str = Field(max_length=120)
    """The figure as it is written, without its unit."""
    unit: str = Field("", max_length=20)
    file: str = Field(max_length=300)
    written: str = Field("", max_length=120)
    """The figure as the file has it, where `text` is in another unit (68.23 % for 0.6823) or a sum.
    """


class Recount(Document):
    """What the project's generations give."""

    file: str = Field(max_length=300)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    correct: int = Field(ge=0)
    examples: int = Field(gt=0)
    bits: str = Field(pattern="^[01]+$", max_length=100_000)
    """`1` for each row answered right, in file order."""
    rows: Literal["official", "other", "unpinned"]
    """Whether the rows are the official ones; `unpinned` where this harness holds no digests."""
    toolchain: str = Field("", max_length=80)
    """What executed the programs; empty where answers were read."""
    problem: str = Field("", max_length=300)
    """Why the rows are not the official ones."""


class ClaimedSet(Document):
    """One evaluation set of a claim."""

    task: str = Field(max_length=40)
    percent: Quote | None = None
    """The figure in the project's README, in percent."""
    elsewhere: tuple[Quote, ...] = Field((), max_length=10)
    """Figures of other files of the project, in percent, that are not the README's."""
    fraction: Quote | None = None
    """The figure in the accuracy file that the evaluation script wrote, a fraction."""
    unofficial_settings: tuple[str, ...] = Field((), max_length=30)
    """Settings in the accuracy file that are not those of the official evaluation, a phrase each.
    """
    recount: Recount | None = None


class ClaimedConfig(Document):
    """Settings, from `pyproject.toml`, `adapter_config.json` or the README."""

    model: str | None = Field(None, max_length=200)
    dataset: str | None = Field(None, max_length=200)
    num_supernodes: int | None = None
    rounds: int | None = None
    fraction: float | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    gradient_accumulation_steps: int | None = None
    learning_rate_max: float | None = None
    learning_rate_min: float | None = None
    seq_length: int | None = None
    quantization: int | None = None
    """Bits of a weight of the base model; 0 for none."""
    rank: int | None = None
    alpha: int | None = None
    dora: bool | None = None
    targets: tuple[str, ...] | None = None
    """Modules that are adapted; None where it is peft's default for the architecture."""
    beyond_rank: tuple[str, ...] | None = None
    """Fields of `adapter_config.json` by which its tensors are not those of one rank and its
    target modules: `rank_pattern`, `modules_to_save`; None where there is none."""
    optimizer: str | None = Field(None, max_length=80)
    dropout: float | None = None
    """Of peft's `lora_dropout`."""
    strategy: str | None = Field(None, max_length=80)
    """Name of the strategy: the class that the project's own is made of, or as it is written."""
    api: Api | None = None
    """`message` when the settings use the key of the Message API (`fraction-train`)."""


class SettingsSource(Document):
    """What one place of a project says of its settings."""

    where: str = Field(max_length=300)
    """The file, and what part of it: `README.md (its TOML)`."""
    values: ClaimedConfig


class ClaimedTraffic(Document):
    """What the README and the log say of the communication."""

    stated: Quote | None = None
    log_total: Quote | None = None
    """The last running total of the strategy's log, in its "MB"."""
    log_step: Quote | None = None
    """What each line of the log adds to the total, in its "MB"."""
    log_steps: dict[str, int] = Field({}, max_length=20)
    """Step as printed -> number of lines with it. There are several steps when sampled clients
    failed and were left out."""
    log_lines: int | None = None


class ClaimedCosts(Document):
    """What the README says of runtime and money."""

    seconds: Quote | None = None
    clock: Quote | None = None
    """The same runtime, written as hours:minutes:seconds."""
    prices: tuple[Quote, ...] = ()
    """Price per hour of each item of the machine."""
    per_hour: Quote | None = None
    total: Quote | None = None


class ClaimRecord(Document):
    """What one project says of itself."""

    model_config = ConfigDict(title="FlowerTune harness claim", populate_by_name=True)

    schema_name: Literal["flowertune-harness/claim"] = Field(CLAIM_SCHEMA, alias="schema")
    schema_version: int = CLAIM_VERSION
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    imported: str = Field(max_length=40)
    """When the project was read: UTC, ISO 8601."""
    challenge: str
    source: str = Field("", max_length=300)
    """Where the project can be found, when the importer was told."""
    config: ClaimedConfig
    stated: ClaimedConfig
    """What the README says of the same settings, where it can be read with certainty."""
    sources: tuple[SettingsSource, ...] = Field((), max_length=40)
    """Every place that states settings, what was run first; claims from before have none."""
    unofficial_commands: tuple[str, ...] = Field((), max_length=30)
    """Options of an evaluation command that are not the official ones, a phrase each."""
    sets: tuple[ClaimedSet, ...]
    average: Quote | None = None
    traffic: ClaimedTraffic
    costs: ClaimedCosts
    adapter_config: bool = False
    """Whether the project holds peft's adapter_config.json."""
    unread: tuple[str, ...] = ()
    """What could not be read with certainty, one sentence each."""
    files: dict[str, str]
    """Path of a file that was read -> its sha256."""

    @field_validator("challenge")
    @classmethod
    def _is_a_board(cls, value: str) -> str:
        names = board_names()
        if value not in names:
            raise ValueError(f"no challenge {value[:40]!r}; {did_you_mean(value, names)}")
        return value

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value, with `schema` for `schema_name`."""
        return self.model_dump(mode="json", by_alias=True)


def migrate_claim(value: Any, where: str) -> Any:
    """Check the schema version of a parsed claim before it is validated.

    Raises:
        RecordError: not a claim, or newer than this harness reads.
    """
    if not isinstance(value, dict) or value.get("schema") != CLAIM_SCHEMA:
        raise RecordError(f'{where}: not a claim; expected "schema": "{CLAIM_SCHEMA}"')
    version = value.get("schema_version")
    if type(version) is not int or not 1 <= version <= CLAIM_VERSION:
        raise RecordError(
            f"{where}: schema_version {version!r:.40}; this harness reads 1 to {CLAIM_VERSION}"
        )
    return value
