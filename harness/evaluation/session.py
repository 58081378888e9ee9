"""One evaluation of one run directory, from where the last one stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.boards.challenge import Challenge, load_challenge
from harness.boards.protocol import OFFICIAL_TASK, SECOND_TASK, BoardProtocol
from harness.boards.registry import protocol_of
from harness.boards.rows import Example, OfficialSet
from harness.document import digest_of, pretty_json, read_document, sha256_file, write_atomic
from harness.errors import EvaluationError
from harness.evaluation.journal import Journal
from harness.evaluation.model.merged_adapter import check_files
from harness.evaluation.result_key import (
    DECODER_VERSION,
    ResultKey,
    locked,
    open_generations,
    package_versions,
    protocol_digest,
)
from harness.evaluation.scores import Measure, score
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, ASSETS, SCORES, SPEC
from harness.record.score import Score, Scores
from harness.scoring.leak import LeakCount, count_leak
from harness.sources.assets import Assets
from harness.spec import RunSpec

ELAPSED = "elapsed.json"


class MeasureKind(NamedTuple):
    """One of the two measures of a set."""

    metric: Literal["accuracy", "loglikelihood_accuracy"]
    form: str
    """Name of its lm-eval task, with `{task}`."""
    suffix: str
    """Of the name of its generations file."""


OFFICIAL = MeasureKind("accuracy", OFFICIAL_TASK, "")
SECOND = MeasureKind("loglikelihood_accuracy", SECOND_TASK, ".loglikelihood")


def measures(protocol: BoardProtocol) -> tuple[MeasureKind, ...]:
    """Return the measures that a board's sets are evaluated by."""
    return (OFFICIAL,) if protocol.second is None else (OFFICIAL, SECOND)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is evaluated."""

    run_dir: Path
    spec: RunSpec
    assets: Assets
    challenge: Challenge
    adapter_dir: Path | None
    """None: the untrained base."""
    device: str

    @property
    def protocol(self) -> BoardProtocol:
        """The board's object."""
        return protocol_of(self.challenge)

    @property
    def model_sha256(self) -> str:
        """Digest of the base model's files."""
        return next(item.sha256 for item in self.assets.data if item.kind == "model")

    def key(self) -> ResultKey:
        """Return what the rows of this evaluation depend on."""
        folder = self.adapter_dir
        return ResultKey(
            adapter_sha256=None if folder is None else sha256_file(folder / ADAPTER_WEIGHTS),
            adapter_config_sha256=None if folder is None else sha256_file(folder / ADAPTER_CONFIG),
            model_sha256=self.model_sha256,
            protocol=protocol_digest(self.challenge),
            decoder_version=DECODER_VERSION,
            rows=self.spec.evaluation_rows,
            smoke=self.spec.smoke,
            device=self.device,
            packages=package_versions(),
        )


def open_subject(run_dir: Path, device: str | None, untrained: bool) -> Subject:
    """Read a run directory.

    Args:
        run_dir: with `spec.json`, `assets.json` and `adapter/`.
        device: `cpu` or `cuda`; None: the spec's.
        untrained: leave the adapter out.

    Raises:
        RecordError: a document is missing or malformed.
        EvaluationError: the adapter is missing or a pickle, or the rules have changed.
    """
    spec = read_document(RunSpec, run_dir / SPEC)
    assets = read_document(Assets, run_dir / ASSETS)
    challenge = load_challenge(spec.challenge.id)
    if digest_of(challenge) != spec.challenge.digest:
        raise EvaluationError(
            f"{run_dir}: run under {spec.challenge.id} with digest {spec.challenge.digest[:12]},"
            f" this harness has {digest_of(challenge)[:12]}; evaluate with the harness that ran it"
        )
    adapter = None if untrained else run_dir / ADAPTER
    if adapter is not None:
        check_files(adapter)
    return Subject(run_dir, spec, assets, challenge, adapter, device or spec.compute.device)


def evaluate(subject: Subject, quiet: bool = False, threads: int = 1) -> Scores:
    """Evaluate what is still missing, write `scores.json` and return it.

    Args:
        subject: what is evaluated.
        quiet: print no progress.
        threads: processors to use.

    Raises:
        EvaluationError: model, adapter, data or kept rows cannot be used.
        RecordError: the disk refused a row.
        UsageError: another process is at it.
    """
    begin = time.monotonic()
    with locked(subject.run_dir), ExitStack() as stack:
        key = subject.key()
        folder = open_generations(subject.run_dir, key)
        sets = official_sets(subject)
        limit = subject.spec.evaluation_rows
        journals = {
            (task, suffix): stack.enter_context(
                Journal(folder, task + suffix, tuple(row.context for row in official.rows[:limit]))
            )
            for task, official in sets.items()
            for suffix in (measure.suffix for measure in measures(subject.protocol))
        }
        try:
            results = _run(subject, sets, journals, quiet, threads)
        finally:
            elapsed = _add_elapsed(folder, time.monotonic() - begin)
        scores = Scores(
            scores=_scores(subject, sets, journals, results),
            model_sha256=key.model_sha256,
            adapter_sha256=key.adapter_sha256,
            packages=key.packages,
            duration_s=elapsed,
            trust_remote_code=subject.spec.model.trust_remote_code,
        )
        write_atomic(subject.run_dir / SCORES, pretty_json(scores.model_dump(mode="json")))
        return scores


def official_sets(subject: Subject) -> dict[str, OfficialSet]:
    """Return task -> the rows that a run is evaluated on, each set's files read once.

    Raises:
        EvaluationError: the files do not give the official rows.
    """
    protocol = subject.protocol
    if subject.spec.smoke:
        return {i.task: protocol.smoke_rows(i.task) for i in subject.challenge.evaluation}
    files = subject.assets.evaluation_files
    return {
        item.task: protocol.rows(item.task, [Path(each) for each in files[item.task]])
        for item in subject.challenge.evaluation
    }


def _run(
    subject: Subject,
    sets: Mapping[str, OfficialSet],
    journals: Mapping[tuple[str, str], Journal],
    quiet: bool,
    threads: int,
) -> Mapping[str, Any]:
    from lm_eval import evaluate as lm_evaluate
    from lm_eval.tasks import TaskManager

    from harness.evaluation.engine import Engine, load_engine
    from harness.evaluation.lm_eval_bridge.lm import JournaledLM
    from harness.evaluation.lm_eval_bridge.tasks import task_configs

    protocol = subject.protocol
    kinds = measures(protocol)
    # The two measures are answered one after the other, so the larger of them decides how many rows
    # are at work at a time.
    missing = max(sum(len(journals[task, kind.suffix].missing) for task in sets) for kind in kinds)

    def load() -> Engine:
        return load_engine(
            Path(subject.assets.model_dir),
            subject.adapter_dir,
            protocol,
            missing,
            subject.device,
            threads,
            subject.spec.model.trust_remote_code,
        )

    lm = JournaledLM(
        protocol,
        load,
        {task: [row.context for row in official.rows] for task, official in sets.items()},
        {task: journals[task, OFFICIAL.suffix] for task in sets},
        {task: journals[task, SECOND.suffix] for task in sets if SECOND in kinds},
        quiet,
    )
    manager = TaskManager(include_defaults=False)
    results: dict[str, Any] = lm_evaluate(
        lm=lm,
        task_dict=manager.load(task_configs(protocol, sets)),
        limit=subject.spec.evaluation_rows,
        log_samples=False,
    )
    return results


def _scores(
    subject: Subject,
    sets: Mapping[str, OfficialSet],
    journals: Mapping[tuple[str, str], Journal],
    results: Mapping[str, Any],
) -> tuple[Score, ...]:
    training = _training_examples(subject)
    leaks = {
        task: _leak(training, official, subject.spec.evaluation_rows)
        for task, official in sets.items()
    }
    scores = []
    for kind in measures(subject.protocol):
        for task in sets:
            name = kind.form.format(task=task)
            journal = journals[task, kind.suffix]
            measure = Measure(
                task=task,
                metric=kind.metric,
                protocol=(
                    subject.protocol.id
                    if kind is OFFICIAL
                    else f"{name}/{results['versions'][name]}"
                ),
                file=journal.finish(),
                rows=[journal.rows[row] for row in range(len(journal.contexts))],
                reported=results["results"][name],
            )
            scores.append(score(subject.protocol, measure, leaks[task]))
    return tuple(scores)


def _leak(training: list[Example], official: OfficialSet, limit: int | None) -> LeakCount:
    return count_leak(training, official.source, official.examples[:limit])


def _training_examples(subject: Subject) -> list[Example]:
    columns = subject.protocol.example_columns
    text, answer = columns
    if subject.assets.training_file is None:
        return [(row[text], row[answer]) for row in subject.protocol.smoke_training()]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(subject.assets.training_file, columns=list(columns))
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def _add_elapsed(folder: Path, seconds: float) -> float:
    """Add this session's seconds to those of earlier ones and return the sum."""
    from harness.document import read_json

    file = folder / ELAPSED
    total = float(read_json(file)["seconds"]) if file.is_file() else 0.0
    total = round(total + seconds, 3)
    write_atomic(file, pretty_json({"seconds": total}))
    return total
