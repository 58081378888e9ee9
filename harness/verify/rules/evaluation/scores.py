"""Rules on scores: recounted from the generations, over the official rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import isclose

from harness.boards.challenge import EvaluationSet
from harness.boards.protocol import SECOND_TASK, SMOKE_ROWS
from harness.record.score import Score, average
from harness.scoring import statistics
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

EXACT = 1e-12
"""Relative tolerance of recomputed statistics: the same formula on another libm."""


def tasks(submission: Submission) -> Iterator[Breach]:
    """Every evaluation set has one official score, and nothing else has one."""
    found = sorted(item.task for item in submission.record.scores if item.metric == "accuracy")
    expected = sorted(item.task for item in submission.challenge.evaluation)
    if found != expected:
        yield "scores", found, expected
    pairs = Counter((item.task, item.metric) for item in submission.record.scores)
    for (task, metric), count in pairs.items():
        if count > 1 or task not in expected:
            yield "scores", f"{count} of {task} {metric}", "one of each official task"
    second = sorted(task for task, metric in pairs if metric != "accuracy")
    if second and second != expected:
        yield "scores", f"the second measure of {', '.join(second)}", f"of {expected}, or of none"


def rows(submission: Submission) -> Iterator[Breach]:
    """A set has its official number of rows, or as many as the spec limits it to."""
    for task, score in submission.official.items():
        expected = expected_rows(submission, task)
        if expected is not None and score.examples != expected:
            yield f"scores: {task}.examples", score.examples, expected


def expected_rows(submission: Submission, task: str) -> int | None:
    """Return how many rows of `task` the spec evaluates; None for an unknown task."""
    for item in submission.challenge.evaluation:
        if item.task == task:
            spec = submission.record.spec
            rows = SMOKE_ROWS if spec.smoke else set_rows(submission, item)
            return min(rows, spec.evaluation_rows or rows)
    return None


def set_rows(submission: Submission, item: EvaluationSet) -> int:
    """Return the rows of a set: the official ones, or those of a known look-alike of it.

    What a look-alike's record says is taken: such a run cannot be eligible.
    """
    name = submission.challenge.record_name(item)
    for data in submission.record.data:
        if data.name == name and data.sha256 in item.substitutes and data.notes:
            return data.rows or item.rows
    return item.rows


def possible(submission: Submission) -> Iterator[Breach]:
    """An accuracy is a whole number of rows over all, and no measure is beyond its ends."""
    for score in submission.record.scores:
        if score.correct > score.examples or score.value != score.correct / score.examples:
            yield place_of(score, "value"), score.value, f"{score.correct}/{score.examples}"
        for name, value in (score.measures | score.references).items():
            least = -1 if name == "mcc" else 0
            if value is not None and not least <= value <= 1:
                yield place_of(score, name), value, f"{least} to 1"


def statistics_agree(submission: Submission) -> Iterator[Breach]:
    """Standard error and interval follow from the count."""
    for score in submission.record.scores:
        if score.correct > score.examples:
            continue  # `score-possible` says so.
        stderr = statistics.standard_error(score.correct, score.examples)
        if not isclose(score.stderr, stderr, rel_tol=EXACT, abs_tol=EXACT):
            yield place_of(score, "stderr"), score.stderr, stderr
        expected = interval(score.correct, score.examples)
        if any(
            not isclose(a, b, rel_tol=EXACT, abs_tol=EXACT)
            for a, b in zip(score.interval, expected, strict=True)
        ):
            yield place_of(score, "interval"), score.interval, expected


@lru_cache(maxsize=4096)
def interval(correct: int, examples: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy, computed once for each count."""
    # A stranger's huge row count must not cost a loop over it.
    if examples > 100_000:
        return (-1.0, -1.0)
    return statistics.bootstrap_interval(correct, examples)


def mean(submission: Submission) -> Iterator[Breach]:
    """The average is the plain mean of the official accuracies."""
    if not submission.official:
        return
    expected = average(submission.record.scores)
    if not isclose(submission.record.average, expected, rel_tol=EXACT, abs_tol=EXACT):
        yield "average", submission.record.average, expected


def protocol(submission: Submission) -> Iterator[Breach]:
    """Official scores follow the challenge's protocol."""
    for task, score in submission.official.items():
        if score.protocol != submission.challenge.protocol.id:
            yield f"scores: {task}.protocol", score.protocol, submission.challenge.protocol.id
    for score in submission.record.scores:
        if score.metric == "accuracy":
            continue
        # The name and the version of the measure as an lm-eval task; an older version is one too.
        name, second = SECOND_TASK.format(task=score.task), submission.protocol.second
        if second is None:
            yield place_of(score, "protocol"), score.protocol, "no second measure on this board"
        elif not re.fullmatch(rf"{re.escape(name)}/\d+\.\d+", score.protocol):
            yield place_of(score, "protocol"), score.protocol, f"{name}/{second.version}"


def place_of(score: Score, name: str) -> str:
    """Return where a value of a score stands, for a finding."""
    return f"scores: {score.task} {score.metric}.{name}"


RULES = (
    Rule("tasks", "One official score per evaluation set", "upstream evaluation, eval.py", tasks),
    Rule("examples-evaluated", "Every official row was evaluated",
         "upstream evaluation, utils.py", rows),
    Rule("score-possible", "An accuracy is k/n", "arithmetic", possible),
    Rule("score-statistics", "Standard error and interval follow from k/n",
         "lm-eval mean_stderr; binomial quantiles", statistics_agree),
    Rule("average", "The average is the plain mean", "leaderboard's ranking", mean),
    Rule("protocol", "Scores follow the official protocol", "challenge file of the harness",
         protocol),
)  # fmt: skip
