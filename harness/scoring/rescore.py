"""Scores from a generations file alone: no model, no data set, no numeric package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge, challenge_names, load_challenge
from harness.boards.protocols.choices import BOOLEAN_TASKS, TASKS, choice_of, gold_of
from harness.boards.protocols.labels import answer_of, has_label_word, label_of
from harness.boards.rows import Row, check_rows, pinned_digests
from harness.document import sha256_file
from harness.errors import EvaluationError, UsageError, did_you_mean
from harness.scoring.generation_files import Answer, read_answers, read_choices
from harness.scoring.statistics import references, summarize


def rescore(task: str, path: Path) -> dict[str, Any]:
    """Recompute every number of one generations file.

    Args:
        task: `fpb`, `fiqa`, `tfns`, or one of `harness.boards.protocols.choices.TASKS`.
        path: upstream's file or ours.

    Returns:
        task, examples, correct, accuracy, stderr, interval, macro_f1, mcc, invalid_rate (None
        without raw text), references, rows (`official` or `unpinned`), sha256 of the file.

    Raises:
        UsageError: no such task.
        RecordError: the file is not readable JSON.
        EvaluationError: its rows are not the official ones, or a label does not follow from its
            text.
    """
    challenge = challenge_of(task)
    if challenge is None:
        return _rescore_choices(task, path)
    answers = read_answers(path)
    check_rows(challenge, task, [Row(each.context, each.target) for each in answers], str(path))
    return score_answers(challenge, task, answers, path)


def challenge_of(task: str) -> Challenge | None:
    """Return the challenge whose pinned rows `task` has; None for the multiple-choice tasks.

    Raises:
        UsageError: the task is unknown.
    """
    known = list(TASKS)
    for name in challenge_names():
        challenge = load_challenge(name)
        names = [item.task for item in challenge.evaluation]
        if task in names and pinned_digests(name):
            return challenge
        known += names
    if task not in TASKS:
        raise UsageError(f"no task {task!r}; {did_you_mean(task, known)}")
    return None


def score_answers(
    challenge: Challenge, task: str, answers: Sequence[Answer], path: Path
) -> dict[str, Any]:
    """Return the numbers of finance answers whose rows were checked; see `rescore`."""
    labels = challenge.protocol.labels
    for each in answers:
        for name, value in (("new_target", each.target), ("new_out", each.predicted)):
            if value not in labels:
                raise EvaluationError(
                    f"{path}: line {each.line}: {name} is {value!r:.40}; expected"
                    f" {', '.join(labels)}"
                )
    gold = [each.target for each in answers]
    predicted = [_checked_label(each, challenge.protocol.answer_marker, path) for each in answers]
    texts = [each.output for each in answers if each.output is not None]
    invalid = None
    if len(texts) == len(answers):
        marker = challenge.protocol.answer_marker
        invalid = sum(not has_label_word(text.split(marker, 1)[0], labels) for text in texts) / len(
            texts
        )
    return {
        "task": task,
        **asdict(summarize(gold, predicted)),
        "invalid_rate": invalid,
        "references": references(gold, challenge.protocol.default_label, majority(challenge)),
        "rows": "official",
        "sha256": sha256_file(path),
    }


def majority(challenge: Challenge) -> str:
    """Return the label that upstream's parsing would read most often off the training labels."""
    count: dict[str, int] = {}
    for text, rows in challenge.dataset.pin.labels.items():
        count[label_of(text)] = count.get(label_of(text), 0) + rows
    return max(count, key=lambda label: count[label])


def _checked_label(answer: Answer, marker: str, path: Path) -> str:
    """Return the label of a row, from its raw text where there is one."""
    if answer.output is None:
        return answer.predicted
    label = label_of(answer_of(marker + answer.output, marker))
    if label != answer.predicted:
        raise EvaluationError(
            f"{path}: line {answer.line}: new_out is {answer.predicted!r}, its text reads"
            f" {label!r}; the line was edited: evaluate again"
        )
    return label


def _rescore_choices(task: str, path: Path) -> dict[str, Any]:
    rows = read_choices(path)
    boolean = task in BOOLEAN_TASKS
    found = [choice_of(row.output, boolean) for row in rows]
    gold = [gold_of(row.gold) for row in rows]
    predicted = [choice for choice, _ in found]
    result: dict[str, Any] = {
        "task": task,
        **asdict(summarize(gold, predicted)),
        "invalid_rate": sum(not valid for _, valid in found) / len(rows),
        "references": {},
        "rows": "unpinned",
        "sha256": sha256_file(path),
    }
    subsets = sorted({row.subset for row in rows if row.subset is not None})
    if subsets:
        result["subsets"] = {
            name: _share(
                [
                    a == b
                    for a, b, row in zip(gold, predicted, rows, strict=True)
                    if row.subset == name
                ]
            )
            for name in subsets
        }
    return result


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)
