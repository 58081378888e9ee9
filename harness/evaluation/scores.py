"""Finished rows become the Score entries of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.boards.challenge import Challenge
from harness.boards.protocols.labels import has_label_word
from harness.document import sha256_file
from harness.errors import EvaluationError
from harness.record.score import Leak, Score
from harness.scoring.leak import LeakCount
from harness.scoring.rescore import majority
from harness.scoring.statistics import references, summarize

TOLERANCE = 1e-12
"""Between lm-eval's mean and standard error and ours: both sum the same zeros and ones."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of one evaluation set, all of its rows finished."""

    task: str
    metric: Literal["accuracy", "loglikelihood_accuracy"]
    protocol: str
    rows: Sequence[Mapping[str, Any]]
    """Lines of the generations file in order."""
    file: Path
    reported: Mapping[str, Any]
    """lm-eval's results for the task."""


def score(challenge: Challenge, measure: Measure, leak: LeakCount | None) -> Score:
    """Return the Score of one measure.

    Raises:
        EvaluationError: lm-eval counts another accuracy or standard error than the rows give.
    """
    gold = [row["new_target"] for row in measure.rows]
    predicted = [row["new_out"] for row in measure.rows]
    summary = summarize(gold, predicted)
    if len(gold) > 1:
        _compare(measure, "acc,none", summary.accuracy)
        _compare(measure, "acc_stderr,none", summary.stderr)
    rules = challenge.protocol
    return Score(
        task=measure.task,
        metric=measure.metric,
        value=summary.accuracy,
        correct=summary.correct,
        examples=summary.examples,
        stderr=summary.stderr,
        interval=summary.interval,
        macro_f1=summary.macro_f1,
        mcc=summary.mcc,
        invalid_rate=_invalid_rate(challenge, measure) if measure.metric == "accuracy" else None,
        leak=None if leak is None else _leak(leak, gold, predicted),
        references=references(gold, rules.default_label, majority(challenge)),
        protocol=measure.protocol,
        generations_sha256=sha256_file(measure.file),
    )


def _compare(measure: Measure, name: str, ours: float) -> None:
    theirs = measure.reported.get(name)
    if not isinstance(theirs, float) or abs(theirs - ours) > TOLERANCE:
        raise EvaluationError(
            f"{measure.task}: lm-eval reports {name} = {theirs!r}, the rows give {ours!r};"
            " expected both equal: this is a bug, please report it"
        )


def _invalid_rate(challenge: Challenge, measure: Measure) -> float:
    marker, labels = challenge.protocol.answer_marker, challenge.protocol.labels
    answers = [row["output"].partition(marker)[0] for row in measure.rows]
    return sum(not has_label_word(text, labels) for text in answers) / len(answers)


def _leak(leak: LeakCount, gold: Sequence[str], predicted: Sequence[str]) -> Leak:
    right = [a == b for a, b, clean in zip(gold, predicted, leak.clean, strict=True) if clean]
    return Leak(
        exact_rows=leak.certain_rows,
        text_rows=leak.text_rows,
        clean_value=sum(right) / len(right) if right else None,
        clean_examples=len(right),
    )
