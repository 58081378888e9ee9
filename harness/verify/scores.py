"""Rules on scores: recounted from the generations, over the official rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isclose

from harness.challenge import Challenge
from harness.record import Score, average
from harness.scoring import statistics
from harness.scoring.answers import answer_of, has_label_word, label_of
from harness.scoring.rescore import majority
from harness.scoring.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.verify.rule import Breach, Rule
from harness.verify.subject import Subject

EXACT = 1e-12
"""Relative tolerance of recomputed statistics: the same formula on another libm."""


def tasks(subject: Subject) -> Iterator[Breach]:
    """Every evaluation set has one official score, and nothing else has one."""
    found = sorted(item.task for item in subject.record.scores if item.metric == "accuracy")
    expected = sorted(item.task for item in subject.challenge.evaluation)
    if found != expected:
        yield "scores", found, expected
    pairs = Counter((item.task, item.metric) for item in subject.record.scores)
    for (task, metric), count in pairs.items():
        if count > 1 or task not in expected:
            yield "scores", f"{count} of {task} {metric}", "one of each official task"


def rows(subject: Subject) -> Iterator[Breach]:
    """A set has its official number of rows, or as many as the spec limits it to."""
    for task, score in subject.official.items():
        expected = expected_rows(subject, task)
        if expected is not None and score.examples != expected:
            yield f"scores: {task}.examples", score.examples, expected


def expected_rows(subject: Subject, task: str) -> int | None:
    """Return how many rows of `task` the spec evaluates; None for an unknown task."""
    for item in subject.challenge.evaluation:
        if item.task == task:
            spec = subject.record.spec
            if spec.smoke:
                from harness.smoke import EVALUATION_ROWS

                return EVALUATION_ROWS
            return min(item.rows, spec.evaluation_rows or item.rows)
    return None


def possible(subject: Subject) -> Iterator[Breach]:
    """An accuracy is a whole number of rows over their number."""
    for score in subject.record.scores:
        if score.correct > score.examples or score.value != score.correct / score.examples:
            yield _place(score, "value"), score.value, f"{score.correct}/{score.examples}"


def statistics_agree(subject: Subject) -> Iterator[Breach]:
    """Standard error and interval follow from the count."""
    for score in subject.record.scores:
        if score.correct > score.examples:
            continue  # `score-possible` says so.
        stderr = statistics.standard_error(score.correct, score.examples)
        if not isclose(score.stderr, stderr, rel_tol=EXACT, abs_tol=EXACT):
            yield _place(score, "stderr"), score.stderr, stderr
        expected = interval(score.correct, score.examples)
        if any(
            not isclose(a, b, rel_tol=EXACT, abs_tol=EXACT)
            for a, b in zip(score.interval, expected, strict=True)
        ):
            yield _place(score, "interval"), score.interval, expected


@lru_cache(maxsize=4096)
def interval(correct: int, examples: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy, computed once for each count."""
    # A stranger's huge row count must not cost a loop over it.
    if examples > 100_000:
        return (-1.0, -1.0)
    return statistics.bootstrap_interval(correct, examples)


def mean(subject: Subject) -> Iterator[Breach]:
    """The average is the plain mean of the official accuracies."""
    if not subject.official:
        return
    expected = average(subject.record.scores)
    if not isclose(subject.record.average, expected, rel_tol=EXACT, abs_tol=EXACT):
        yield "average", subject.record.average, expected


def protocol(subject: Subject) -> Iterator[Breach]:
    """Official scores follow the challenge's protocol."""
    for task, score in subject.official.items():
        if score.protocol != subject.challenge.protocol.id:
            yield f"scores: {task}.protocol", score.protocol, subject.challenge.protocol.id


def generations_present(subject: Subject) -> Iterator[Breach]:
    """Each official score has its generations file, with the digest the score names."""
    names = set()
    for score in subject.record.scores:
        name = f"generations/{source(score)}.jsonl"
        names.add(name)
        if name not in subject.digests:
            if subject.is_submission:
                yield _place(score, "generations_sha256"), f"no {name}", "a file for every score"
        elif subject.digests[name][1] != score.generations_sha256:
            place = _place(score, "generations_sha256")
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
            elif output is not None and label != (parsed := read_output(output, marker, known)[0]):
                yield f"{task} row {index}: label", label, parsed
        for index, numbers in enumerate(generations.loglikelihoods or ()):
            likely = known[numbers.index(max(numbers))] if len(numbers) == len(known) else "none"
            if generations.labels[index] != likely:
                yield f"{task} row {index}: label", generations.labels[index], likely


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


def leak(subject: Subject) -> Iterator[Breach]:
    """Rows that leaked and rows that did not add up, and the clean score is one of the latter."""
    for task, score in subject.official.items():
        item = score.leak
        if item is None:
            continue
        place = f"scores: {task}.leak"
        if item.exact_rows > item.text_rows:
            yield place, f"{item.exact_rows} exact rows", f"at most {item.text_rows} by text"
        if item.text_rows + item.clean_examples != score.examples:
            total = item.text_rows + item.clean_examples
            yield place, f"{total} rows", f"{score.examples}: leaked and clean ones together"
        if (item.clean_value is None) != (item.clean_examples == 0):
            yield f"{place}.clean_value", item.clean_value, "a value exactly when rows are left"
        if item.clean_value is None:
            continue
        right = item.clean_value * item.clean_examples
        lowest = max(0, score.correct - item.text_rows)
        if not isclose(right, round(right), abs_tol=1e-6) or not (
            lowest <= round(right) <= min(score.correct, item.clean_examples)
        ):
            yield (
                f"{place}.clean_value",
                item.clean_value,
                (f"a whole number of {item.clean_examples} rows, {lowest} or more of them right"),
            )


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


def _place(score: Score, name: str) -> str:
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
    Rule("generations", "Every score has its generations", "template README: provide generations",
         generations_present),
    Rule("official-rows", "The evaluated rows are the official ones, unedited",
         "upstream evaluation, utils.py load_data", official_rows, file="generations"),
    Rule("labels", "Labels are what the official parser reads", "upstream evaluation, utils.py",
         labels, file="generations"),
    Rule("recount", "Counts and measures are the generations'", "upstream evaluation, eval.py",
         recount),
    Rule("references", "References are of the same rows", "harness record format", references),
    Rule("leak", "Leaked and clean rows add up", "harness record format", leak),
    Rule("row-bits", "rows.json is the generations' recount", "harness submission format", bits,
         file="rows.json"),
)  # fmt: skip
