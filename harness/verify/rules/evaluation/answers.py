"""Rules on answers: the generations are of the official rows, and the scores are their recount."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import exp, isclose

from harness.boards.challenge import Challenge
from harness.boards.protocols.labels import answer_of, has_label_word, label_of
from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.record.score import Score
from harness.scoring import statistics
from harness.scoring.rescore import majority
from harness.verify.rule import Breach, Rule
from harness.verify.rules.evaluation.scores import expected_rows, place_of
from harness.verify.submission import Subject

MOST_LIKELY = 1.01
"""Most that the probabilities of different labels sum to: none begins another, and float32 rounds.
"""


def generations_present(subject: Subject) -> Iterator[Breach]:
    """Each official score has its generations file, with the digest the score names."""
    names = set()
    for score in subject.record.scores:
        name = f"generations/{source(score)}.jsonl"
        names.add(name)
        if name not in subject.digests:
            if subject.is_submission:
                yield place_of(score, "generations_sha256"), f"no {name}", "a file for every score"
        elif subject.digests[name][1] != score.generations_sha256:
            place = place_of(score, "generations_sha256")
            yield place, score.generations_sha256, subject.digests[name][1]
    for name in sorted(subject.digests):
        if subject.is_submission and name.startswith("generations/") and name not in names:
            yield name, "generations of no score", "one file for every score"


def source(score: Score) -> str:
    """Return the name of the generations that a score is of."""
    return score.task if score.metric == "accuracy" else f"{score.task}.loglikelihood"


def official_rows(subject: Subject) -> Iterator[Breach]:
    """The generations are of the official rows, in order, with the official labels."""
    pinned = pinned_digests(subject.challenge.id)
    for name, generations in subject.generations.items():
        task = name.partition(".")[0]
        yield from _wrong_targets(name, generations.rows, generations.targets)
        if subject.record.spec.smoke or task not in pinned:
            continue
        count = expected_rows(subject, task) or 0
        expected = pinned[task][:count]
        if generations.rows != expected:
            for index, (found, wanted) in enumerate(zip(generations.rows, expected, strict=False)):
                if found != wanted:
                    yield f"{name} row {index}", found, f"the official row {wanted}"
            if len(generations.rows) != len(expected):
                yield name, f"{len(generations.rows)} rows", f"{len(expected)} rows"


def _wrong_targets(task: str, found: Sequence[str], targets: Sequence[str]) -> Iterator[Breach]:
    for index, pair in enumerate(zip(found, targets, strict=True)):
        if not target_matches(*pair):
            yield f"{task} row {index}: target", pair[1], "the official label"


@lru_cache(maxsize=16_384)
def target_matches(row: str, target: str) -> bool:
    """Whether a row's digest binds `target` as its label."""
    return bind_target(row[:CONTEXT_CHARS], target) == row


def labels(subject: Subject) -> Iterator[Breach]:
    """Labels are what the official parser reads in the raw output."""
    marker = subject.challenge.protocol.answer_marker
    known = subject.challenge.protocol.labels
    for task, generations in subject.generations.items():
        for index, (output, label) in enumerate(
            zip(generations.outputs, generations.labels, strict=True)
        ):
            if label not in known:
                yield f"{task} row {index}: label", label, f"one of {', '.join(known)}"
            elif output is None and generations.loglikelihoods is None:
                yield f"{task} row {index}: output", "null", "the raw text that the label is of"
            elif output is not None and label != (parsed := read_output(output, marker, known)[0]):
                yield f"{task} row {index}: label", label, parsed
        for index, numbers in enumerate(generations.loglikelihoods or ()):
            likely = known[numbers.index(max(numbers))] if len(numbers) == len(known) else "none"
            if generations.labels[index] != likely:
                yield f"{task} row {index}: label", generations.labels[index], likely
            if (total := sum(map(exp, numbers))) > MOST_LIKELY:
                yield f"{task} row {index}: loglikelihoods", f"{total:.3f} in all", "1 at most"


@lru_cache(maxsize=16_384)
def read_output(output: str, marker: str, known: tuple[str, ...]) -> tuple[str, bool]:
    """Return the official label of a raw continuation, and whether it names any label."""
    answer = answer_of(marker + output, marker)
    return label_of(answer), has_label_word(answer, known)


def recount(subject: Subject) -> Iterator[Breach]:
    """Counts and measures are those of the generations."""
    for score in subject.record.scores:
        task = f"{score.task} {score.metric}"
        generations = subject.generations.get(source(score))
        if generations is None:
            continue
        bits = generations.bits
        if score.correct != bits.count("1") or score.examples != len(bits):
            found = f"{score.correct}/{score.examples}"
            yield f"scores: {task}", found, f"{bits.count('1')}/{len(bits)} in the generations"
            continue
        f1 = statistics.macro_f1(generations.targets, generations.labels)
        if not isclose(score.macro_f1, f1, rel_tol=1e-9, abs_tol=1e-9):
            yield f"scores: {task}.macro_f1", score.macro_f1, f1
        mcc = statistics.matthews(generations.targets, generations.labels)
        if not isclose(score.mcc, mcc, rel_tol=1e-9, abs_tol=1e-9):
            yield f"scores: {task}.mcc", score.mcc, mcc
        invalid = invalid_rate(subject.challenge, generations.outputs)
        if not _same(score.invalid_rate, invalid):
            yield f"scores: {task}.invalid_rate", score.invalid_rate, invalid


def invalid_rate(challenge: Challenge, outputs: Sequence[str | None]) -> float | None:
    """Return the share of raw outputs without any label word; None when a raw output is missing."""
    if None in outputs:
        return None
    marker, known = challenge.protocol.answer_marker, challenge.protocol.labels
    silent = sum(not read_output(output or "", marker, known)[1] for output in outputs)
    return silent / len(outputs)


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def references(subject: Subject) -> Iterator[Breach]:
    """What answers without a model would score is computed on the same rows."""
    default = subject.challenge.protocol.default_label
    constant = majority(subject.challenge)
    for score in subject.record.scores:
        task = f"{score.task} {score.metric}"
        generations = subject.generations.get(source(score))
        if generations is None:
            continue
        expected = statistics.references(generations.targets, default, constant)
        for name, value in expected.items():
            if not _same(score.references.get(name), value):
                yield f"scores: {task}.references.{name}", score.references.get(name), value
        for name in score.references.keys() - expected.keys():
            yield f"scores: {task}.references.{name}", name, sorted(expected)


def bits(subject: Subject) -> Iterator[Breach]:
    """`rows.json` says which rows are right, as the generations do."""
    if not subject.is_submission:
        return
    found = subject.bits
    if found is None:
        yield "", "no rows.json", "which rows are right, by task"
        return
    for task in sorted(found.keys() | {t for t in subject.generations if "." not in t}):
        generations = subject.generations.get(task)
        if generations is None:
            if task not in subject.official:
                yield task, "a task without generations", "the tasks of the generations"
        elif found.get(task) != generations.bits:
            yield task, found.get(task, "nothing"), "the generations' recount"


RULES = (
    Rule("generations", "Every score has its generations", "template README: provide generations",
         generations_present),
    Rule("official-rows", "The evaluated rows are the official ones, unedited",
         "upstream evaluation, utils.py load_data", official_rows, file="generations"),
    Rule("labels", "Labels are what the official parser reads", "upstream evaluation, utils.py",
         labels, file="generations"),
    Rule("recount", "Counts and measures are the generations'", "upstream evaluation, eval.py",
         recount),
    Rule("references", "References are of the same rows", "harness record format", references),
    Rule("row-bits", "rows.json is the generations' recount", "harness submission format", bits,
         file="rows.json"),
)  # fmt: skip
