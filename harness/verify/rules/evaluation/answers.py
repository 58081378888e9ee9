"""Rules on answers: the generations are of the official rows, and the scores are their recount."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import exp, isclose
from operator import eq

from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.record.score import Score
from harness.verify.files.generations import Generations
from harness.verify.official import constants_of
from harness.verify.rule import Breach, Rule
from harness.verify.rules.evaluation.scores import expected_rows, place_of
from harness.verify.submission import Submission

LEAST_AGREEMENT = 0.3
"""Least part of the agreement of chance that two measures of one model show. Drawn by lot, with as
many of each label as both gave, labels agree on sum(n * m) / rows of the rows: a measure that
always says `negative` beside one that says so 99 times of 1,212 agrees with it 99 times, and so
does an honest run. None agrees less than chance by much, because one model gave both."""

MOST_LIKELY = 1.01
"""Most that the probabilities of different labels sum to: none begins another, and float32 rounds.
"""


def generations_present(submission: Submission) -> Iterator[Breach]:
    """Each official score has its generations file, with the digest the score names."""
    names = set()
    for score in submission.record.scores:
        name = f"generations/{source(score)}.jsonl"
        names.add(name)
        if name not in submission.digests:
            if submission.is_submission:
                yield place_of(score, "generations_sha256"), f"no {name}", "a file for every score"
        elif submission.digests[name][1] != score.generations_sha256:
            place = place_of(score, "generations_sha256")
            yield place, score.generations_sha256, submission.digests[name][1]
    for name in sorted(submission.digests):
        if submission.is_submission and name.startswith("generations/") and name not in names:
            yield name, "generations of no score", "one file for every score"


def source(score: Score) -> str:
    """Return the name of the generations that a score is of."""
    return score.task if score.metric == "accuracy" else f"{score.task}.loglikelihood"


def official_rows(submission: Submission) -> Iterator[Breach]:
    """The generations are of the official rows, in order, with the official labels."""
    pinned = pinned_digests(submission.challenge.id)
    for name, generations in submission.generations.items():
        task = task_of(name)
        yield from _wrong_targets(name, generations.rows, generations.targets)
        if submission.record.spec.smoke or task not in pinned:
            continue
        count = expected_rows(submission, task) or 0
        if not _as_pinned(generations.rows, submission.challenge.id, task, count):
            expected = pinned[task][:count]
            for index, (found, wanted) in enumerate(zip(generations.rows, expected, strict=False)):
                if found != wanted:
                    yield f"{name} row {index}", found, f"the official row {wanted}"
            if len(generations.rows) != len(expected):
                yield name, f"{len(generations.rows):,} rows", f"{len(expected):,} rows"


@lru_cache(maxsize=32)
def _as_pinned(found: Sequence[str], board_id: str, task: str, count: int) -> bool:
    """Whether rows are the first `count` official ones; those of nearly all entries are."""
    return found == pinned_digests(board_id)[task][:count]


@lru_cache(maxsize=32)
def all_match(found: Sequence[str], targets: Sequence[str]) -> bool:
    """Whether every row's digest binds its right answer; the official rows are always the same."""
    return all(map(target_matches, found, targets))


def _wrong_targets(task: str, found: Sequence[str], targets: Sequence[str]) -> Iterator[Breach]:
    if all_match(found, targets):
        return
    for index, pair in enumerate(zip(found, targets, strict=True)):
        if not target_matches(*pair):
            yield f"{task} row {index}: target", pair[1], "the official label"


@lru_cache(maxsize=16_384)
def target_matches(row: str, target: str) -> bool:
    """Whether a row's digest binds `target` as its right answer."""
    return bind_target(row[:CONTEXT_CHARS], target) == row


def labels(submission: Submission) -> Iterator[Breach]:
    """Answers are what the official parser reads in the raw output."""
    for name, generations in submission.generations.items():
        known = submission.protocol.answers(task_of(name))
        if known is not None and not generations.answers <= set(known):
            for index, label in enumerate(generations.labels):
                if label not in known:
                    yield f"{name} row {index}: label", label, f"one of {', '.join(known)}"
        if generations.loglikelihoods is None:
            yield from _read_again(submission, name, generations)
        else:
            yield from _most_likely(submission, name, generations, generations.loglikelihoods)


def _read_again(submission: Submission, name: str, generations: Generations) -> Iterator[Breach]:
    """Check answers of generated text against the text; each text and answer once."""
    if not submission.protocol.rederivable:
        return
    known, readings = submission.protocol.answers(task_of(name)), submission.readings[name]
    wrong = {
        (target, label, output)
        for target, label, output in generations.counts
        if output is None
        or (label != readings[target, output].answer and (known is None or label in known))
    }
    if not wrong:
        return
    columns = zip(generations.targets, generations.labels, generations.outputs, strict=True)
    for index, (target, label, output) in enumerate(columns):
        if (target, label, output) not in wrong:
            continue
        if output is None:
            yield f"{name} row {index}: output", "null", "the raw text that the label is of"
        else:
            yield f"{name} row {index}: label", label, readings[target, output].answer


def _most_likely(
    submission: Submission,
    name: str,
    generations: Generations,
    loglikelihoods: Sequence[Sequence[float]],
) -> Iterator[Breach]:
    """Check answers of the second measure against the log-likelihoods."""
    second = submission.protocol.second
    known = () if second is None else second.answers.get(task_of(name), ())
    if set(map(len, loglikelihoods)) == {len(known)}:
        best = tuple([known[numbers.index(max(numbers))] for numbers in loglikelihoods])
        every = map(exp, chain.from_iterable(loglikelihoods))
        most = max(map(sum, zip(*[every] * len(known), strict=True)))
        if best == generations.labels and most <= MOST_LIKELY:
            return
    for index, numbers in enumerate(loglikelihoods):
        likely = known[numbers.index(max(numbers))] if len(numbers) == len(known) else "none"
        if generations.labels[index] != likely:
            yield f"{name} row {index}: label", generations.labels[index], likely
        if (total := sum(map(exp, numbers))) > MOST_LIKELY:
            yield f"{name} row {index}: loglikelihoods", f"{total:.3f} in all", "1 at most"


def task_of(name: str) -> str:
    """Return the evaluation set of a generations file, `<task>` or `<task>.loglikelihood`."""
    return name.partition(".")[0]


def recount(submission: Submission) -> Iterator[Breach]:
    """Counts and measures are those of the generations."""
    for score in submission.record.scores:
        place, name = f"scores: {score.task} {score.metric}", source(score)
        generations = submission.generations.get(name)
        if generations is None:
            continue
        bits = generations.bits
        if score.correct != bits.count("1") or score.examples != len(bits):
            found = f"{score.correct}/{score.examples}"
            yield place, found, f"{bits.count('1')}/{len(bits)} in the generations"
            continue
        measures = submission.protocol.measures(score.task, generations.pairs)
        for measure, value in measures.items():
            found_value = getattr(score, measure)
            if not _same(found_value, value):
                yield f"{place}.{measure}", found_value, value
        if not submission.protocol.rederivable:
            for measure in sorted(score.measures.keys() - measures):
                if score.measures[measure] is not None:
                    yield f"{place}.{measure}", score.measures[measure], "null: no board's measure"
            continue
        invalid = _invalid_rate(submission, name, generations)
        if not _same(score.invalid_rate, invalid):
            yield f"{place}.invalid_rate", score.invalid_rate, invalid


def _invalid_rate(submission: Submission, name: str, generations: Generations) -> float | None:
    """Return the share of outputs that hold no answer; None when a raw output is missing."""
    readings, invalid = submission.readings[name], 0
    for (target, _, output), count in generations.counts.items():
        valid = None if output is None else readings[target, output].valid
        if valid is None:
            return None
        invalid += count * (not valid)
    return invalid / len(generations.rows)


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def references(submission: Submission) -> Iterator[Breach]:
    """What answers without a model would score is computed on the same rows."""
    for score in submission.record.scores:
        task = f"{score.task} {score.metric}"
        generations = submission.generations.get(source(score))
        if generations is None:
            continue
        expected = constants_of(submission.protocol.constants, score.task, generations.targets)
        for name, value in expected.items():
            if not _same(score.references.get(name), value):
                yield f"scores: {task}.references.{name}", score.references.get(name), value
        for name in score.references.keys() - expected.keys():
            yield f"scores: {task}.references.{name}", name, sorted(expected)


def as_stated(submission: Submission) -> Iterator[Breach]:
    """Answers that do not follow from the outputs are stated, until they were executed again."""
    if submission.generations and not submission.answers_known:
        yield "", "answers that do not follow from the outputs", "outputs that were executed again"


def measures_agree(submission: Submission) -> Iterator[Breach]:
    """The two measures of a set answer some rows alike: one model gave both."""
    for task, generated in submission.generations.items():
        weighed = submission.generations.get(f"{task}.loglikelihood")
        if weighed is None or len(weighed.labels) != len(generated.labels):
            continue
        rows = len(generated.labels)
        alike = sum(map(eq, generated.labels, weighed.labels))
        ours, theirs = Counter(generated.labels), Counter(weighed.labels)
        chance = sum(count * theirs[label] for label, count in ours.items()) / max(rows, 1)
        if alike < LEAST_AGREEMENT * chance:
            yield (
                task,
                f"{alike:,} of {rows:,} rows with the same answer by both measures",
                f"about {chance:.0f}, as by chance, or more: the outputs and the log-likelihoods"
                " contradict each other",
            )


def bits(submission: Submission) -> Iterator[Breach]:
    """`rows.json` says which rows are right, as the generations do."""
    if not submission.is_submission:
        return
    found = submission.row_bits
    if found is None:
        yield "", "no rows.json", "which rows are right, by task"
        return
    for task in sorted(found.keys() | {t for t in submission.generations if "." not in t}):
        generations = submission.generations.get(task)
        if generations is None:
            if task not in submission.official:
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
    Rule("measures-agree", "The two measures do not contradict each other", "arithmetic",
         measures_agree, file="generations", severity="warning"),
    Rule("stated-answers", "Answers follow from the outputs", "harness.boards.protocol", as_stated,
         file="generations", severity="warning"),
    Rule("row-bits", "rows.json is the generations' recount", "harness submission format", bits,
         file="rows.json"),
)  # fmt: skip
