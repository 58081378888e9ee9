"""A challenge: everything that is fixed for all its participants.

A challenge is a revisioned `rules.toml` in a board's folder. Its values can be read by everyone
and set by nobody: no plugin, recipe, command-line value or environment variable reaches them.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import ConfigDict, Field

from harness.boards.board import RULES_FILE, board_folder, board_names, read_toml
from harness.boards.partitioner import OpenPartitioner, Partitioner
from harness.document import Document, parse_document
from harness.document.units import MIB
from harness.errors import RecordError, UsageError, did_you_mean

ROWS = "rows.json"
"""File of a board's folder: a digest of every official row."""

MODULE = "protocol.py"
"""File of a board's folder: the object that the harness talks to; see `harness.boards.protocol`."""


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


class CountPin(Document):
    """What a training set must be whose hub file was not at hand when it was pinned."""

    rows: int = Field(gt=0)
    lookalikes: dict[str, str]
    """File sha256 -> what that file is, which is not the hub's."""


class TrainingSet(Document):
    """The fixed training set."""

    name: str
    """Hub id; the only key of upstream's static section."""
    former_names: tuple[str, ...] = ()
    columns: tuple[str, ...]
    pin: TrainingPin


class InstructionSet(Document):
    """A training set of instructions and free answers, with the text that upstream makes of a row.

    Each of upstream's templates reads its own columns; see `template`.
    """

    name: str
    """Hub id; the only key of upstream's static section."""
    former_names: tuple[str, ...] = ()
    columns: tuple[str, ...]
    pin: CountPin
    template: str
    """Format string over the columns; a recipe that brings no prompt of its own trains on it."""


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
    sha256: tuple[str, ...] = ()
    """Digest of each file of `files`, in the same order; empty where only the rows are pinned, as
    the hub makes the files anew from a loading script."""
    rows: int = Field(gt=0)
    fingerprint: str
    """sha256 over the official rows in order; see `harness.boards.rows`. Empty where the rows could
    not be had: then only their number is known."""

    @property
    def substitutes(self) -> dict[str, str]:
        """File sha256 -> what that file is, which may stand for the set and is not the set."""
        return {}

    @property
    def substitute_files(self) -> tuple[str, ...]:
        """Names of the files that may stand for the set."""
        return ()


class LabelSet(EvaluationSet):
    """An evaluation set whose answers are labels."""

    split: Literal["test-quarter", "whole"]
    """`test-quarter`: `train_test_split(0.25, seed=42)["test"]` of the rows; `whole`: all rows."""
    labels: tuple[str, ...]
    """Label of each integer class, or the labels a score is cut into."""


class ChoiceSet(EvaluationSet):
    """An evaluation set whose answers are choices."""

    instruction: str
    """First line of every prompt."""
    majority: str
    """The right answer that is most frequent in the board's sets of this kind together."""
    lookalikes: dict[str, str] = {}
    """File sha256 -> what that file is, which may stand for the set and is not the set."""
    lookalike_files: tuple[str, ...] = ()
    """Names of those files."""

    @property
    def substitutes(self) -> dict[str, str]:
        """File sha256 -> what that file is: the look-alikes that are known."""
        return self.lookalikes

    @property
    def substitute_files(self) -> tuple[str, ...]:
        """Names of the look-alikes' files."""
        return self.lookalike_files


class ProgramSet(EvaluationSet):
    """An evaluation set whose answers are programs: one is right when it passes its tests."""

    language: str
    """Key of `harness.boards.execution.LANGUAGES`."""
    max_length_tokens: int = Field(gt=0)
    """Prompt and completion together."""
    stop_words: tuple[str, ...]
    """A completion ends before the first of them. The tokenizer's EOS is one more."""
    hub_files: tuple[str, ...]
    """Names of the same files on the hub, where a mirror calls them otherwise."""

    @property
    def substitute_files(self) -> tuple[str, ...]:
        """Names of the hub's files, whose rows are held against the same pins."""
        return self.hub_files


class LabelEvaluation(Document):
    """The official evaluation of a board whose answers are labels, as upstream's script does it."""

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


class ChoiceEvaluation(Document):
    """The official evaluation of a board whose answers are choices, as upstream's script does it.

    One prompt at a time, greedily, without padding; the tokenizer is left as it is.
    """

    id: str
    asked: str
    """What the model is given of a `{prompt}`."""
    batch_size: int
    """Rows that share the number of new tokens of the first one's right answer."""
    quantization: Literal["fp4"]
    compute_dtype: Literal["float32"]
    seed: int
    baseline: dict[str, float]
    """Upstream's published baseline per task, fractions in [0, 1]."""


class ProgramEvaluation(Document):
    """The official evaluation of a board whose answers are programs, as upstream's script does it.

    One problem at a time: several completions are drawn together, and the first of them is kept.
    """

    id: str
    quantization: Literal["none"]
    compute_dtype: Literal["float32"]
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    samples: int = Field(gt=0)
    """Completions that are drawn of each problem; upstream calls it the batch size."""
    seed: int
    """Of the random numbers, set once for each evaluation set."""
    settings: dict[str, bool | int | float | str]
    """Argument of the official command -> its value; "null" for one that is not given."""
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
    dataset: TrainingSet | InstructionSet
    partitioner: Partitioner | OpenPartitioner
    """The second only in a run of the open division."""
    communication: Communication
    protocol: LabelEvaluation | ChoiceEvaluation | ProgramEvaluation
    evaluation: tuple[LabelSet | ChoiceSet | ProgramSet, ...]
    replay_tolerance: float = Field(gt=0)
    """Largest relative difference of an adapter tensor (L2) that a replay on other hardware may
    show and still be called equal within tolerance; equality of bytes is reported apart."""
    sources: dict[str, str]
    """Fixed value -> where the rule comes from."""

    def evaluation_set(self, task: str) -> LabelSet | ChoiceSet | ProgramSet:
        """Return the evaluation set called `task`.

        Raises:
            UsageError: the challenge has no such task.
        """
        for item in self.evaluation:
            if item.task == task:
                return item
        known = [item.task for item in self.evaluation]
        raise UsageError(f"challenge {self.id} has no task {task!r}; {did_you_mean(task, known)}")

    def record_name(self, item: EvaluationSet) -> str:
        """Return the name of a set's data in a record: the hub id, or `<hub id>:<subset>` where
        several sets are of one hub id."""
        several = sum(other.dataset == item.dataset for other in self.evaluation) > 1
        return f"{item.dataset}:{item.subset or item.task}" if several else item.dataset

    def clients_per_round(self, fraction: float) -> int:
        """Clients sampled per round: `max(int(num_supernodes * fraction), min_clients)`.

        Source: flwr 1.41 `FedAvg.configure_train`.
        """
        return max(int(self.num_supernodes * fraction), self.min_clients)


def challenge_names() -> list[str]:
    """Return the ids of the challenges that can be run: the boards that have rules."""
    return [name for name in board_names() if board_folder(name).joinpath(RULES_FILE).is_file()]


def load_challenge(name: str) -> Challenge:
    """Load the challenge of a board.

    Raises:
        UsageError: no board has that id, or it has no rules yet.
        RecordError: the board's folder is incomplete, or its rules are wrong.
    """
    folder = board_folder(name)
    if name not in challenge_names():
        raise UsageError(
            f"challenge {name} cannot be run: {folder.joinpath(RULES_FILE)} is missing;"
            f" known: {', '.join(challenge_names())}"
        )
    return read_challenge(folder)


def read_challenge(folder: Traversable) -> Challenge:
    """Return the challenge of a board's folder, whose files are all there.

    Raises:
        RecordError: a file is missing, or `rules.toml` is wrong; the file is named.
    """
    for file in (folder.joinpath(name) for name in (RULES_FILE, ROWS, MODULE)):
        if not file.is_file():
            raise RecordError(
                f"{file}: is missing; the board {folder.name} is incomplete without it"
            )
    where = str(folder.joinpath(RULES_FILE))
    challenge = parse_document(Challenge, read_toml(folder, RULES_FILE), where)
    if challenge.id.replace("-", "_") != folder.name:
        raise RecordError(f"{where}: its id is {challenge.id!r}; expected {folder.name!r}'s")
    return challenge
