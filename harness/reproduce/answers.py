"""Whether two results hold other answers, be it that one of them leaves the prompts out."""

from __future__ import annotations

from harness.record.file_names import SPEC
from harness.record.result import ResultRecord
from harness.reproduce.original import Original
from harness.submissions.passed_on import record_of_texts, texts_without_prompts
from harness.verify.read_submission import read_submission
from harness.verify.rules.evaluation.answers import source
from harness.verify.targets import Target


def other_answers(first: Original, second: Original) -> list[str]:
    """Name the measures whose answers differ; nothing where one has no record yet."""
    if first.record is None or second.record is None:
        return []
    if not (odd := _differing(first.record, second.record)):
        return []
    if (first.folder / SPEC).is_file() is not (second.folder / SPEC).is_file():
        # A run's files hold the prompts, a submission's do not: their digests differ in any case.
        odd = _differing(_as_filed(first, first.record), _as_filed(second, second.record))
    return [f"{name}: other answers (harness reproduce --evaluation repeats them)" for name in odd]


def _differing(first: ResultRecord, second: ResultRecord) -> list[str]:
    mine = {(item.task, item.metric): item.generations_sha256 for item in first.scores}
    return [
        f"{item.task}, {item.metric}"
        for item in second.scores
        if mine.get((item.task, item.metric)) != item.generations_sha256
    ]


def _as_filed(original: Original, record: ResultRecord) -> ResultRecord:
    """Return a run's record with the digests that `harness submit` would write; another as it is.

    So is one whose answers are not there, or without the prompts that a run's have.
    """
    if original.result is None or not (original.folder / SPEC).is_file():
        return record
    target = Target("run", original.result, original.folder, str(original.folder))
    submission, _ = read_submission(target)
    found = {} if submission is None else submission.generations
    known = all(item.prompts or item.loglikelihoods for item in found.values())
    if submission is None or not known or {source(item) for item in record.scores} - found.keys():
        return record
    return ResultRecord.model_validate(
        record_of_texts(submission, texts_without_prompts(submission))
    )
