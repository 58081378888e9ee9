"""What an entry is known by: what a copier cannot change without running again.

Of a run that is the adapter, the last round and the answers, of a claim its content and the files
that were recounted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.claims.record import ClaimRecord
from harness.document import canonical_json, sha256_text
from harness.verify.files.generations import Generations
from harness.verify.submission import Submission
from harness.verify.targets import Target

ANSWERS = "answers"
"""Which rows of all sets are right."""

LEAST_VARIED = 30
"""Rows of a set that are not answered in the commonest way, before its answers are a mark. Runs of
one recipe with other seeds answer one row in ten otherwise: 304 rows are all alike in one of 10^14
pairs. Of two models that say `neutral` to all but five rows nothing can be told."""


@dataclass(frozen=True, slots=True)
class Filed:
    """One entry of a tree, and what it is known by."""

    folder: Path
    name: str
    """How findings call it."""
    created: str
    """When, as its record says."""
    marks: Mapping[str, str]
    """What (`run id`, `adapter`) -> its value, which no other entry has."""
    likewise: Mapping[str, str] = field(default_factory=dict)
    """The same of a claim's answers, of which only right or wrong is known: two claims may share
    them where both models say one word; a run that has them as a mark says more than one."""
    clean: bool = True
    """Whether nothing else is found wanting of it."""

    def shared(self, other: Filed) -> list[str]:
        """Return by what another entry is this one again, sorted."""
        ours, theirs = ({**item.likewise, **item.marks} for item in (self, other))
        same = {what for what, value in ours.items() if theirs.get(what) == value}
        return sorted(same & (self.marks.keys() | other.marks.keys()))


def of_run(submission: Submission, target: Target) -> Filed | None:
    """Return what a submission is known by; None of a record or a run directory.

    Args:
        submission: as it was read.
        target: where it lies.
    """
    if target.kind != "submission" or submission.folder is None:
        return None
    record = submission.record
    marks = {"run id": record.run_id, "adapter": record.adapter.sha256}
    if record.federation.rounds:
        last = record.federation.rounds[-1]
        marks |= {"last round": last.digest, "last aggregate": last.aggregate_sha256}
    answers = {t: g for t, g in submission.generations.items() if t in submission.official}
    # Two models that answer every row of a set alike have the same answers without being copies.
    if answers and any(len(item.answers) > 1 for item in answers.values()):
        right = [[task, item.bits] for task, item in sorted(answers.items())]
        marks[ANSWERS] = sha256_text(canonical_json(right))
    return Filed(submission.folder, target.name, record.created, marks | _of_each_set(submission))


def _of_each_set(submission: Submission) -> dict[str, str]:
    """Return what one set alone tells an entry by: who changes an answer leaves the other sets."""
    marks = {}
    for name, item in submission.generations.items():
        task, _, second = name.partition(".")
        if second:
            marks[f"log-likelihoods of {task}"] = submission.digests[f"generations/{name}.jsonl"][1]
        elif task in submission.official and _varied(item):
            marks[f"{ANSWERS} of {task}"] = _of_one_set(task, item.bits)
    return marks


def _of_one_set(task: str, bits: str) -> str:
    return sha256_text(canonical_json([task, bits]))


def _varied(item: Generations) -> bool:
    """Whether so many rows are not answered in the commonest way that no other model does alike."""
    common: Counter[str] = Counter()
    for (_, label), count in item.pairs.items():
        common[label] += count
    return common.total() - max(common.values()) >= LEAST_VARIED


def of_claim(claim: ClaimRecord, target: Target) -> Filed | None:
    """Return what a claim is known by: each recounted file, and everything but name and date."""
    if target.folder is None:
        return None
    body = claim.model_dump(mode="json", exclude={"name", "imported", "source"})
    marks = {"content": sha256_text(canonical_json(body))}
    for item in claim.sets:
        if item.percent is not None and item.percent.file in claim.files:
            marks[item.percent.file] = claim.files[item.percent.file]
        if item.recount is not None and len(set(item.recount.bits)) > 1:
            marks[f"generations of {item.task}"] = item.recount.sha256
    bits = {item.task: item.recount.bits for item in claim.sets if item.recount is not None}
    likewise = {f"{ANSWERS} of {task}": _of_one_set(task, text) for task, text in bits.items()}
    return Filed(target.folder.resolve(), target.name, claim.imported, marks, likewise)
