"""A challenge: everything that is fixed for all its participants.

A challenge is a revisioned `rules.toml` in a board's folder. Its values can be read by everyone
and set by nobody: no plugin, recipe, command-line value or environment variable reaches them.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Literal

from pydantic import ConfigDict, Field

from harness.document import Document, parse_document
from harness.document.units import MIB
from harness.errors import UsageError, did_you_mean


class Partitioner(Document):
    """How the training set is split over the supernodes."""

    kind: Literal["iid"]
    """flwr-datasets' IidPartitioner: contiguous shards of the shuffled set."""
    shuffle_seed: int
    """Seed of FederatedDataset's shuffle before the split."""


class TrainingPin(Document):
    """What the training set must be, as far as it could be pinned."""

    rows: int = Field(gt=0)
    anchor_sha256: str
    """sha256 over the JSON lines `[index, input, output, instruction]` of the rows whose
    instruction is not `anchor_excludes`, in file order."""
    anchor_excludes: str
    """Instruction of the rows that the anchor leaves out."""
    labels: dict[str, int]
    """Histogram of the `output` column over all rows."""
    lookalikes: dict[str, str]
    """File sha256 -> what that file is: data that passes the pins above but is not the hub's."""


class TrainingSet(Document):
    """The fixed training set."""

    name: str
    """Hub id; the only key of upstream's static section."""
    former_names: tuple[str, ...] = ()
    columns: tuple[str, ...]
    pin: TrainingPin


class Communication(Document):
    """The communication budget."""

    limit_mib: int = Field(gt=0)
    """Accumulated train messages, both directions; a run must not exceed it (strict `>`)."""

    @property
    def limit_bytes(self) -> int:
        """The limit in bytes."""
        return self.limit_mib * MIB


class EvaluationSet(Document):
    """One evaluation set: where its rows come from and what they are."""

    task: str
    title: str
    dataset: str
    """Hub id."""
    subset: str | None = None
    files: tuple[str, ...]
    """Files inside the data set's folder, concatenated in this order."""
    sha256: tuple[str, ...]
    """Digest of each file of `files`, in the same order."""
    split: Literal["test-quarter", "whole"]
    """`test-quarter`: `train_test_split(0.25, seed=42)["test"]` of the rows; `whole`: all rows."""
    rows: int = Field(gt=0)
    fingerprint: str
    """sha256 over the official rows in order; see `harness.boards.rows`."""
    labels: tuple[str, ...]
    """Label of each integer class, or the labels a score is cut into."""


class Protocol(Document):
    """The official evaluation, as upstream's script does it."""

    id: str
    instruction: str
    """`{tag}` stands for news or tweet."""
    batch_size: int
    max_length_tokens: int
    """Prompt and continuation together."""
    quantization: Literal["fp4"]
    compute_dtype: Literal["float32"]
    seed: int
    answer_marker: str
    labels: tuple[str, ...]
    default_label: str
    """Label of a text that holds no label word."""
    baseline: dict[str, float]
    """Upstream's published baseline per task, fractions in [0, 1]."""


class Challenge(Document):
    """One revision of a challenge."""

    model_config = ConfigDict(title="Challenge")

    id: str
    revision: int = Field(ge=1)
    date: str
    """Day of the rules that this revision follows, ISO 8601."""
    title: str
    num_supernodes: int = Field(gt=0)
    min_clients: int = Field(ge=1)
    """Fewest clients a round samples, whatever the fraction."""
    dataset: TrainingSet
    partitioner: Partitioner
    communication: Communication
    protocol: Protocol
    evaluation: tuple[EvaluationSet, ...]
    replay_tolerance: float = Field(gt=0)
    """Largest relative difference of an adapter tensor (L2) that a replay on other hardware may
    show and still be called equal within tolerance; equality of bytes is reported apart."""
    sources: dict[str, str]
    """Fixed value -> where the rule comes from."""

    def evaluation_set(self, task: str) -> EvaluationSet:
        """Return the evaluation set called `task`.

        Raises:
            UsageError: the challenge has no such task.
        """
        for item in self.evaluation:
            if item.task == task:
                return item
        known = [item.task for item in self.evaluation]
        raise UsageError(f"challenge {self.id} has no task {task!r}; {did_you_mean(task, known)}")

    def clients_per_round(self, fraction: float) -> int:
        """Clients sampled per round: `max(int(num_supernodes * fraction), min_clients)`.

        Source: flwr 1.41 `FedAvg.configure_train`.
        """
        return max(int(self.num_supernodes * fraction), self.min_clients)


def challenge_names() -> list[str]:
    """Return the ids of the challenges that ship with the harness."""
    folder = resources.files("harness.boards")
    return sorted(item.name for item in folder.iterdir() if item.joinpath("rules.toml").is_file())


def load_challenge(name: str) -> Challenge:
    """Load a challenge by id.

    Raises:
        UsageError: no challenge has that id.
    """
    names = challenge_names()
    if name not in names:
        raise UsageError(f"unknown challenge {name!r}; {did_you_mean(name, names)}")
    text = resources.files("harness.boards").joinpath(f"{name}/rules.toml").read_text("utf-8")
    return parse_document(Challenge, tomllib.loads(text), f"challenge {name}")
