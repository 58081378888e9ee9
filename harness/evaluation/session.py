"""One evaluation of one run directory, from where the last one stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge, load_challenge
from harness.document import digest_of, pretty_json, read_document, sha256_file, write_atomic
from harness.errors import EvaluationError
from harness.evaluation.journal import Journal
from harness.evaluation.lm_eval_bridge.lm_tasks import (
    LOGLIKELIHOOD,
    OFFICIAL,
    TASK_FOLDER,
    official_set,
)
from harness.evaluation.lm_eval_bridge.official_rows import OfficialSet
from harness.evaluation.model.merged_adapter import CONFIG, WEIGHTS, check_files
from harness.evaluation.result_key import (
    DECODER_VERSION,
    ResultKey,
    locked,
    open_generations,
    package_versions,
    protocol_digest,
)
from harness.evaluation.scores import Measure, score
from harness.planning.smoke import training_rows
from harness.record.score import Score, Scores
from harness.scoring.leak import Example, LeakCount, count_leak
from harness.sources.assets import Assets
from harness.spec import RunSpec

ELAPSED = "elapsed.json"


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
    def model_sha256(self) -> str:
        """Digest of the base model's files."""
        return next(item.sha256 for item in self.assets.data if item.kind == "model")

    def key(self) -> ResultKey:
        """Return what the rows of this evaluation depend on."""
        folder = self.adapter_dir
        return ResultKey(
            adapter_sha256=None if folder is None else sha256_file(folder / WEIGHTS),
            adapter_config_sha256=None if folder is None else sha256_file(folder / CONFIG),
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
    spec = read_document(RunSpec, run_dir / "spec.json")
    assets = read_document(Assets, run_dir / "assets.json")
    challenge = load_challenge(spec.challenge.id)
    if digest_of(challenge) != spec.challenge.digest:
        raise EvaluationError(
            f"{run_dir}: run under {spec.challenge.id} with digest {spec.challenge.digest[:12]},"
            f" this harness has {digest_of(challenge)[:12]}; evaluate with the harness that ran it"
        )
    adapter = None if untrained else run_dir / "adapter"
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
        sets = {
            item.task: official_set(
                item.task,
                subject.challenge.id,
                None if subject.spec.smoke else subject.assets.evaluation_files,
                subject.spec.smoke,
            )
            for item in subject.challenge.evaluation
        }
        limit = subject.spec.evaluation_rows
        journals = {
            (task, suffix): stack.enter_context(
                Journal(folder, task + suffix, tuple(row.context for row in official.rows[:limit]))
            )
            for task, official in sets.items()
            for suffix in ("", ".loglikelihood")
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
        write_atomic(subject.run_dir / "scores.json", pretty_json(scores.model_dump(mode="json")))
        return scores


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

    missing = max(sum(len(j.missing) for (_, s), j in journals.items() if s == suffix)
                  for suffix in ("", ".loglikelihood"))  # fmt: skip

    def load() -> Engine:
        return load_engine(
            Path(subject.assets.model_dir),
            subject.adapter_dir,
            subject.challenge.protocol,
            missing,
            subject.device,
            threads,
            subject.spec.model.trust_remote_code,
        )

    lm = JournaledLM(
        subject.challenge.protocol,
        load,
        {task: [row.context for row in official.rows] for task, official in sets.items()},
        {task: journals[task, ""] for task in sets},
        {task: journals[task, ".loglikelihood"] for task in sets},
        quiet,
    )
    metadata: dict[str, Any] = {"challenge": subject.challenge.id, "smoke": subject.spec.smoke}
    if not subject.spec.smoke:
        metadata["files"] = {k: list(v) for k, v in subject.assets.evaluation_files.items()}
    names = [form.format(task=task) for task in sets for form in (OFFICIAL, LOGLIKELIHOOD)]
    manager = TaskManager(include_path=str(TASK_FOLDER), include_defaults=False, metadata=metadata)
    results: dict[str, Any] = lm_evaluate(
        lm=lm,
        task_dict=manager.load(names),
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
    for metric, form, suffix in (
        ("accuracy", OFFICIAL, ""),
        ("loglikelihood_accuracy", LOGLIKELIHOOD, ".loglikelihood"),
    ):
        for task in sets:
            name = form.format(task=task)
            journal = journals[task, suffix]
            file = journal.finish()
            protocol = (
                subject.challenge.protocol.id
                if metric == "accuracy"
                else f"{name}/{results['versions'][name]}"
            )
            rows = [journal.rows[row] for row in range(len(journal.contexts))]
            measure = Measure(task, metric, protocol, rows, file, results["results"][name])  # type: ignore[arg-type]  # literals above
            scores.append(score(subject.challenge, measure, leaks[task]))
    return tuple(scores)


def _leak(training: list[Example], official: OfficialSet, limit: int | None) -> LeakCount:
    return count_leak(training, official.source, official.examples[:limit])


def _training_examples(subject: Subject) -> list[Example]:
    if subject.assets.training_file is None:
        return [(row["input"], row["output"]) for row in training_rows(subject.challenge)]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(subject.assets.training_file, columns=["input", "output"])
    return list(
        zip(table.column("input").to_pylist(), table.column("output").to_pylist(), strict=True)
    )


def _add_elapsed(folder: Path, seconds: float) -> float:
    """Add this session's seconds to those of earlier ones and return the sum."""
    from harness.document import read_json

    file = folder / ELAPSED
    total = float(read_json(file)["seconds"]) if file.is_file() else 0.0
    total = round(total + seconds, 3)
    write_atomic(file, pretty_json({"seconds": total}))
    return total
