"""From checked submissions to entries."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

from harness.claim import ClaimedSet, ClaimRecord
from harness.leaderboard.entry import Entry, EntryFinding, EntryRung, EntryScore, Sample
from harness.record import ResultRecord, Score
from harness.scoring.statistics import standard_error
from harness.verify.boards import BOARDS
from harness.verify.check import Checked
from harness.verify.claim_figures import number
from harness.verify.claim_traffic import UNITS_MIB, derive_traffic
from harness.verify.finding import Finding, shown
from harness.verify.ladder import LEVELS
from harness.verify.scores import interval
from harness.verify.subject import Subject

MIB = 2**20
CURVE_POINTS = 60
"""Points that a loss curve is thinned to."""
SAMPLES = 3
"""Right and wrong answers shown of each set."""
OUTPUT_CHARACTERS = 160
NORMAL_95 = 1.959964
"""Half width of a 95 % interval in standard errors."""


def entry_of(item: Checked) -> Entry | None:
    """Return the entry of a submission, or None when a rule rejects it."""
    if not item.clean:
        return None
    if item.claim is not None:
        return claim_entry(item.claim, item.findings)
    return None if item.subject is None else run_entry(item.subject, item.findings)


def run_entry(subject: Subject, findings: Iterable[Finding]) -> Entry:
    """Return the entry of a verified run."""
    record = subject.record
    scores = {
        task: _run_score(record, score, subject.generations[task].bits)
        for task, score in subject.official.items()
    }
    average, low, high = mean_of(scores)
    spec = record.spec
    name = subject.folder.resolve().name if subject.folder is not None else record.run_id
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
        loglikelihood_average=_average([s.loglikelihood for s in scores.values()]),
        bytes_total=record.communication.bytes_total,
        parameters=record.adapter.parameters,
        rounds=len(record.federation.rounds),
        level=_level(subject),
        rungs=tuple(EntryRung(**rung.model_dump()) for rung in subject.ladder),
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
        samples=tuple(_samples(subject)),
        created=record.created,
    )


def claim_entry(claim: ClaimRecord, findings: Iterable[Finding]) -> Entry:
    """Return the entry of a claim: its own figures where nothing could be recounted."""
    board = BOARDS[claim.challenge]
    scores = {}
    for item in claim.sets:
        score = _claim_score(item, board.rows[item.task])
        if score is not None:
            scores[item.task] = score
    complete = len(scores) == len(board.rows)
    average, low, high = mean_of(scores) if complete else (None, None, None)
    traffic = derive_traffic(claim, board)
    config = {
        key.replace("_", " "): ", ".join(value) if isinstance(value, tuple) else str(value)
        for key, value in claim.config.model_dump().items()
        if value is not None
    }
    model = claim.stated.model or claim.config.model or "unknown"
    adapter = "DoRA" if claim.config.dora else "LoRA"
    rank = "" if claim.config.rank is None else f" r={claim.config.rank}"
    return Entry(
        key=f"{claim.challenge}/{claim.name}",
        name=claim.name,
        kind="claim",
        title=claim.name,
        model=model,
        method=f"{adapter}{rank}",
        eligible=False,
        reasons=("an imported claim: nothing of it was run by the harness",),
        scores=scores,
        average=average,
        low=low,
        high=high,
        bytes_total=_claimed_bytes(claim),
        parameters=traffic.parameters if traffic is not None else None,
        rounds=claim.config.rounds,
        level="claimed",
        findings=tuple(
            EntryFinding(severity=f.severity, text=f"{f.found}; expected {f.expected}")
            for f in findings
        ),
        config=config,
        digests={item.task: item.recount.sha256 for item in claim.sets if item.recount is not None},
        created=claim.imported,
        source=claim.source if claim.source.startswith("https://") else "",
    )


def _claimed_bytes(claim: ClaimRecord) -> int | None:
    stated = claim.traffic.stated
    value = number(stated)
    if stated is None or value is None or stated.unit.lower() not in UNITS_MIB:
        return None
    return round(value * UNITS_MIB[stated.unit.lower()] * MIB)


def _claim_score(item: ClaimedSet, rows: int) -> EntryScore | None:
    if item.recount is not None:
        correct, examples, bits = item.recount.correct, item.recount.examples, item.recount.bits
        usable = bits if item.recount.rows == "official" else None
        return counted(correct, examples, usable)
    fraction, percent = number(item.fraction), number(item.percent)
    if fraction is None and percent is None:
        return None
    value = fraction if fraction is not None else (percent or 0.0) / 100
    if not 0 <= value <= 1:
        return None
    # Not recounted: the interval is that of the nearest whole number of rows.
    return counted(round(value * rows), rows, None)


def counted(correct: int, examples: int, bits: str | None) -> EntryScore:
    """Return the score of `correct` rows of `examples`, with its interval."""
    low, high = interval(correct, examples)
    return EntryScore(
        value=correct / examples, correct=correct, examples=examples, low=low, high=high,
        stderr=standard_error(correct, examples), bits=bits,
    )  # fmt: skip


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
        loglikelihood=second.value if second is not None else None,
        macro_f1=score.macro_f1,
        mcc=score.mcc,
        invalid_rate=score.invalid_rate,
        bits=bits,
    )


def mean_of(scores: dict[str, EntryScore]) -> tuple[float | None, float | None, float | None]:
    """Return the plain mean and its 95 % interval, the sets being independent."""
    if not scores:
        return None, None, None
    count = len(scores)
    mean = sum(score.value for score in scores.values()) / count
    error = sqrt(sum(score.stderr**2 for score in scores.values())) / count
    return mean, max(0.0, mean - NORMAL_95 * error), min(1.0, mean + NORMAL_95 * error)


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if values and len(known) == len(values) else None


def _level(subject: Subject) -> str:
    """Return the highest earned level; a recount is part of every check."""
    earned = {"rescored", *(rung.level for rung in subject.ladder)}
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


def _samples(subject: Subject) -> Iterable[Sample]:
    for task, item in subject.generations.items():
        left = {True: SAMPLES, False: SAMPLES}
        for index, (row, target, label, output) in enumerate(
            zip(item.rows, item.targets, item.labels, item.outputs, strict=True)
        ):
            right = target == label
            if left[right]:
                left[right] -= 1
                text = shown(output or "", OUTPUT_CHARACTERS)
                yield Sample(
                    task=task, index=index, row=row, target=target, label=label, output=text
                )
            if not any(left.values()):
                break
