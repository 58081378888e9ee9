"""The entry of a verified run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.document.float_sums import sum_in_order
from harness.leaderboard.entries.entry import Entry, EntryFinding, EntryRung, EntryScore, Sample
from harness.leaderboard.entries.figures import mean_of
from harness.record.ladder import LEVELS
from harness.record.result import ResultRecord
from harness.record.score import Score
from harness.verify.report import Finding, shown
from harness.verify.submission import Submission

CURVE_POINTS = 60
"""Number of points that a loss curve is thinned to."""
SAMPLES = 3
"""Number of right answers, and of wrong ones, that are shown of each set."""
OUTPUT_CHARACTERS = 160


def run_entry(submission: Submission, findings: Iterable[Finding]) -> Entry:
    """Return the entry of a verified run."""
    record = submission.record
    scores = {
        task: _run_score(record, score, submission.generations[task].bits)
        for task, score in submission.official.items()
    }
    average, low, high = mean_of(scores)
    spec = record.spec
    name = submission.folder.name if submission.folder is not None else record.run_id
    return Entry(
        key=f"{record.challenge.id}/{name}",
        name=name,
        kind="run",
        title=spec.label,
        model=spec.model.hub_id,
        method=f"{spec.peft.name}, {spec.strategy.name}",
        eligible=record.eligible,
        reasons=record.ineligible_because,
        scores=scores,
        average=average,
        low=low,
        high=high,
        clean_average=_average([s.clean for s in scores.values()]),
        second_average=_average([s.second for s in scores.values()]),
        bytes_total=record.communication.bytes_total,
        parameters=record.adapter.parameters,
        rounds=len(record.federation.rounds),
        level=_level(submission),
        rungs=tuple(EntryRung(**rung.model_dump()) for rung in submission.ladder),
        findings=tuple(
            EntryFinding(severity=f.severity, text=f"[{f.rule}] {f.found}; expected {f.expected}")
            for f in findings
        ),
        losses=_thinned([(r.round, r.train_loss) for r in record.federation.rounds]),
        config=_config(record),
        environment=_environment(record),
        digests={
            "spec": record.spec_digest,
            "adapter": record.adapter.sha256,
            "last round": record.federation.rounds[-1].digest if record.federation.rounds else "",
        },
        samples=tuple(_samples(submission)),
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


def _level(submission: Submission) -> str:
    """Return the highest earned level; a recount is part of every check."""
    earned = {"rescored", *(rung.level for rung in submission.ladder)}
    return max(earned, key=lambda level: LEVELS.index(level))


def _thinned(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    step = -(-len(points) // CURVE_POINTS) or 1
    kept = points[::step]
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return tuple((number, round(loss, 4)) for number, loss in kept)


def _config(record: ResultRecord) -> dict[str, str]:
    spec, train = record.spec, record.spec.train
    values: dict[str, Any] = {
        "plugin": spec.label,
        "model": spec.model.hub_id,
        "base": f"{spec.model.quantization}, {spec.model.dtype}",
        "peft": f"{spec.peft.name} {spec.peft.params}",
        "strategy": f"{spec.strategy.name} {spec.strategy.params or ''}",
        "rounds": train.rounds,
        "fraction": train.fraction,
        "steps": f"{train.max_steps} of {train.batch_size} examples",
        "learning rate": f"{train.learning_rate_max:g} to {train.learning_rate_min:g},"
        f" {train.round_schedule}",
        "optimizer": train.optimizer,
        "sequence": f"{train.seq_length} tokens",
        "seed": spec.seed,
    }
    return {key: shown(str(value), 300) for key, value in values.items()}


def _environment(record: ResultRecord) -> dict[str, str]:
    environment, device = record.environment, record.environment.device
    values: dict[str, Any] = {
        "device": f"{device.kind}: {device.name}, {device.threads} threads, {device.actors} actors",
        "dtype": device.dtype,
        "python": environment.python,
        "platform": environment.platform,
        **dict(sorted(environment.packages.items())),
        "time": ", ".join(f"{k} {v:.0f} s" for k, v in record.timing.items()),
    }
    if record.cost is not None:
        values["cost"] = f"{record.cost.total:.2f} {record.cost.currency}"
    return {key: shown(str(value), 300) for key, value in values.items()}


def _samples(submission: Submission) -> Iterable[Sample]:
    for task, item in submission.generations.items():
        left = {True: SAMPLES, False: SAMPLES}
        for index, (row, target, answer, output) in enumerate(
            zip(item.rows, item.targets, item.labels, item.outputs, strict=True)
        ):
            right = target == answer
            if left[right]:
                left[right] -= 1
                text = shown(output or "", OUTPUT_CHARACTERS)
                yield Sample(
                    task=task, index=index, row=row, target=target, answer=answer, output=text
                )
            if not any(left.values()):
                break
