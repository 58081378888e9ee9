"""Finished rows become the Score entries of a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.boards.protocol import BoardProtocol, Reading
from harness.errors import EvaluationError
from harness.record.score import Leak, Score
from harness.scoring.leak import LeakCount
from harness.scoring.rescore import invalid_rate
from harness.scoring.statistics import summarize

TOLERANCE = 1e-12
"""Between lm-eval's mean and standard error and ours, which both sum the same zeros and ones. Equal
figures show that every row reached both; they are no second opinion on how a row is read."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of one evaluation set, all of its rows finished."""

    task: str
    metric: Literal["accuracy", "loglikelihood_accuracy"]
    protocol: str
    rows: Sequence[Mapping[str, Any]]
    """Lines of the generations file in order."""
    generations_sha256: str
    """Of the generations file as this process wrote it."""
    reported: Mapping[str, Any] | None
    """lm-eval's results for the task; None where it counted these rows before."""


def score(protocol: BoardProtocol, measure: Measure, leak: LeakCount | None) -> Score:
    """Return the Score of one measure.

    Raises:
        EvaluationError: lm-eval counts another accuracy or standard error than the rows give.
    """
    targets = [row["new_target"] for row in measure.rows]
    readings = [_reading(protocol, measure, row) for row in measure.rows]
    right = [reading.correct for reading in readings]
    summary = summarize(sum(right), len(right))
    if len(right) > 1:
        _compare(measure, "acc,none", summary.accuracy)
        _compare(measure, "acc_stderr,none", summary.stderr)
    answers = [each.answer for each in readings]
    measures = protocol.measures(measure.task, Counter(zip(targets, answers, strict=True)))
    return Score(
        task=measure.task,
        metric=measure.metric,
        value=summary.accuracy,
        correct=summary.correct,
        examples=summary.examples,
        stderr=summary.stderr,
        interval=summary.interval,
        macro_f1=measures.get("macro_f1"),
        mcc=measures.get("mcc"),
        invalid_rate=invalid_rate(readings),
        leak=None if leak is None else _leak(leak, right),
        references=protocol.constants(measure.task, targets),
        protocol=measure.protocol,
        generations_sha256=measure.generations_sha256,
    )


def _reading(protocol: BoardProtocol, measure: Measure, row: Mapping[str, Any]) -> Reading:
    """Return what a row says: read from its text where that decides it, else as it was stored."""
    if measure.metric == "accuracy" and protocol.rederivable:
        return protocol.read(measure.task, row["output"], row["new_target"])
    return Reading(row["new_out"], None, row["new_out"] == row["new_target"])


def _compare(measure: Measure, name: str, ours: float) -> None:
    if measure.reported is None:
        return
    theirs = measure.reported.get(name)
    if not isinstance(theirs, float) or abs(theirs - ours) > TOLERANCE:
        raise EvaluationError(
            f"{measure.task}: lm-eval reports {name} = {theirs!r}, the rows give {ours!r};"
            " expected both equal: this is a bug, please report it"
        )


def _leak(leak: LeakCount, right: Sequence[bool]) -> Leak:
    clean = [hit for hit, is_clean in zip(right, leak.clean, strict=True) if is_clean]
    return Leak(
        exact_rows=leak.certain_rows,
        text_rows=leak.text_rows,
        clean_value=sum(clean) / len(clean) if clean else None,
        clean_examples=len(clean),
    )
