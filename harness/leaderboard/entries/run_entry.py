"""The entry of a verified run."""

from __future__ import annotations

from collections.abc import Iterable

from harness.boards.open_division import filed_under
from harness.document.float_sums import sum_in_order
from harness.leaderboard.entries.entry import Entry, EntryFinding, EntryScore
from harness.leaderboard.entries.figures import mean_of
from harness.record.ladder import LEVELS
from harness.record.result import ResultRecord
from harness.record.score import Score
from harness.verify.report import Finding, shown
from harness.verify.submission import Submission

CHANGES_CHARACTERS = 120
"""What the tables show of what a run of the open division changes; its reasons have the rest."""


def run_entry(submission: Submission, findings: Iterable[Finding]) -> Entry:
    """Return the entry of a verified run."""
    record = submission.record
    scores = {
        task: _run_score(record, score, submission.generations[task].bits)
        for task, score in submission.official.items()
    }
    average, low, high = mean_of(scores)
    rungs = _rungs(submission)
    spec = record.spec
    author = None if submission.about is None else submission.about.author
    name = submission.folder.name if submission.folder is not None else record.run_id
    return Entry(
        key=f"{filed_under(record.challenge.id, spec.open)}/{name}",
        name=name,
        kind="run",
        title=spec.label,
        model=spec.model.hub_id,
        method=", ".join(
            [spec.peft.name, spec.strategy.name]
            + [item.name for item in spec.extensions.components.values()]
            + ([spec.train.codec.name] if spec.train.codec is not None else [])
        ),
        eligible=record.eligible and not submission.withdrawal,
        withdrawn=bool(submission.withdrawal),
        reasons=submission.ineligible_because,
        changes=shown(spec.open_changes, CHANGES_CHARACTERS),
        scores=scores,
        average=average,
        low=low,
        high=high,
        clean_average=_average([s.clean for s in scores.values()]),
        second_average=_average([s.second for s in scores.values()]),
        submitted=submission.about.date if submission.about is not None else "",
        base_parameters=spec.model.parameters(),
        family=spec.model.architecture,
        peft=_bare(spec.peft.name),
        strategy=_bare(spec.strategy.name),
        licence=(submission.about.licence if submission.about is not None else None) or "",
        author="" if author is None else author.handle,
        author_name=(None if author is None else author.name) or "",
        whose_code=record.code,
        isolation="" if record.isolation is None else record.isolation.summary,
        seconds=sum_in_order(record.timing.values()),
        bytes_total=record.communication.bytes_total,
        parameters=record.adapter.parameters,
        rounds=len(record.federation.rounds),
        level=rungs[-1],
        rungs=rungs,
        findings=tuple(
            EntryFinding(severity=f.severity, text=f"[{f.rule}] {f.found}; expected {f.expected}")
            for f in findings
        ),
        created=record.created,
    )


def _run_score(record: ResultRecord, score: Score, bits: str) -> EntryScore:
    second = next(
        (s for s in record.scores if s.task == score.task and s.metric != "accuracy"), None
    )
    return EntryScore(
        value=score.value,
        correct=score.correct,
        examples=score.examples,
        low=score.interval[0],
        high=score.interval[1],
        stderr=score.stderr,
        clean=score.leak.clean_value if score.leak is not None else None,
        second=second.value if second is not None else None,
        measures=score.measures,
        bits=bits,
    )


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum_in_order(known) / len(known) if values and len(known) == len(values) else None


def _rungs(submission: Submission) -> tuple[str, ...]:
    """Return the earned levels; a recount is part of every check, where there is one.

    A whole repetition holds all that is below it.
    """
    recounted = {"rescored"} if submission.protocol.rederivable else set()
    earned = {"claimed", *recounted, *(rung.level for rung in submission.ladder)}
    return LEVELS if LEVELS[-1] in earned else tuple(item for item in LEVELS if item in earned)


def _bare(name: str) -> str:
    """Return a component's name without its plugin."""
    return name.rpartition("/")[2]
