"""What the evaluation measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.document import Document
from harness.document.float_sums import sum_in_order


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
    macro_f1: float | None
    """None where answers are no classes: programs pass or fail."""
    mcc: float | None
    invalid_rate: float | None
    """Share of answers with no label word; None where raw text is absent or none is generated."""
    leak: Leak | None
    references: dict[str, float] = Field(max_length=100)
    """`empty_answer`, `best_constant`, `majority` of the same rows."""
    protocol: str
    generations_sha256: str

    @property
    def measures(self) -> dict[str, float | None]:
        """What is measured beside the accuracy, by name; None where it does not apply."""
        return {"macro_f1": self.macro_f1, "mcc": self.mcc, "invalid_rate": self.invalid_rate}


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
    startup_sha256: str | None = None
    """Digest of what Python runs by itself in this environment, as the evaluating process found it;
    see `harness.processes.startup`. None in files of before it was recorded."""


def average(scores: tuple[Score, ...]) -> float:
    """Return the leaderboard's number: the plain mean of the official accuracies."""
    values = [score.value for score in scores if score.metric == "accuracy"]
    return sum_in_order(values) / len(values)
