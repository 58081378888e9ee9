"""One evaluation of one run directory, from where the last one stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.boards.protocol import OFFICIAL_TASK, SECOND_TASK, BoardProtocol
from harness.boards.rows import Example, OfficialSet
from harness.document import (
    digest_of,
    pretty_json,
    read_document,
    read_json,
    sha256_text,
    write_atomic,
    write_document,
)
from harness.errors import RecordError
from harness.evaluation.evaluated_run import EvaluatedRun, official_sets
from harness.evaluation.inputs import refuse_other_inputs
from harness.evaluation.journal import Journal
from harness.evaluation.proof import Proof
from harness.evaluation.result_key import ResultKey, evaluation_lock, open_generations
from harness.evaluation.scores import Measure, score
from harness.processes.loading import loading
from harness.record.file_names import SCORES
from harness.record.score import Score, Scores
from harness.scoring.leak import LeakCount, count_leak

ELAPSED = "elapsed.json"


class MeasureKind(NamedTuple):
    """One of the two measures of an evaluation set."""

    metric: Literal["accuracy", "loglikelihood_accuracy"]
    form: str
    """Name of its lm-eval task; `{task}` stands for the set."""
    suffix: str
    """What the name of its generations file has after the set's."""


OFFICIAL = MeasureKind("accuracy", OFFICIAL_TASK, "")
SECOND = MeasureKind("loglikelihood_accuracy", SECOND_TASK, ".loglikelihood")


def measures(protocol: BoardProtocol) -> tuple[MeasureKind, ...]:
    """Return the measures that a board's sets are evaluated by."""
    return (OFFICIAL,) if protocol.second is None else (OFFICIAL, SECOND)


def evaluate(
    run: EvaluatedRun,
    key: str,
    quiet: bool = False,
    threads: int = 1,
    adapter_sha256: str | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> Scores:
    """Evaluate what is still missing, write `scores.json` and return it.

    Args:
        run: as `read_run` returns it.
        key: of the proofs by which kept rows are known, in hex; see `harness.evaluation.proof`.
        quiet: print no progress.
        threads: processors to use.
        adapter_sha256: of the weights that the run made; None where nothing says so.
        prepare: called before anything heavy is loaded: not where all rows and scores are there.

    Raises:
        EvaluationError: model, adapter or data are not the run's or cannot be used.
        RecordError: the disk refused a row.
        UsageError: another process is at it.
    """
    begin = time.monotonic()
    with evaluation_lock(run.run_dir), ExitStack() as stack:
        refuse_other_inputs(run.spec, run.challenge, run.assets, run.adapter_dir, adapter_sha256)
        wanted = run.key()
        folder = open_generations(run.run_dir, wanted)
        proof = Proof(key, digest_of(wanted))
        sets = official_sets(run)
        limit = run.spec.evaluation_rows
        journals = {
            (task, suffix): stack.enter_context(
                Journal(folder, task + suffix, _contexts(official, limit), proof)
            )
            for task, official in sets.items()
            for suffix in (measure.suffix for measure in measures(run.protocol))
        }
        if (kept := _kept_scores(run, wanted, sets, journals)) is not None:
            return kept
        prepare()
        try:
            results = _lm_eval_results(run, sets, journals, quiet, threads)
        finally:
            elapsed = _add_elapsed(folder, time.monotonic() - begin)
        scores = Scores(
            scores=_scores(run, sets, journals, results["results"]),
            model_sha256=wanted.model_sha256,
            adapter_sha256=wanted.adapter_sha256,
            packages=wanted.packages | _toolchains(journals),
            duration_s=elapsed,
            trust_remote_code=run.spec.model.trust_remote_code,
        )
        write_document(run.run_dir / SCORES, scores)
        return scores


def _kept_scores(
    run: EvaluatedRun,
    wanted: ResultKey,
    sets: Mapping[str, OfficialSet],
    journals: Mapping[tuple[str, str], Journal],
) -> Scores | None:
    """Return the scores of an evaluation that has ended, counted again from its proven rows.

    lm-eval counted them when they were written, so it is not loaded again. None: a row is missing,
    or what lies there is something else than these rows give.
    """
    if any(journal.missing or _waiting(journal) for journal in journals.values()):
        return None
    try:
        kept = read_document(Scores, run.run_dir / SCORES)
    except RecordError:
        return None
    ours = kept.with_values(
        scores=_scores(run, sets, journals, None),
        model_sha256=wanted.model_sha256,
        adapter_sha256=wanted.adapter_sha256,
        packages=wanted.packages | _toolchains(journals),
        trust_remote_code=run.spec.model.trust_remote_code,
    )
    return kept if kept == ours else None


def _waiting(journal: Journal) -> bool:
    """Whether a row was drawn and its program not executed."""
    return any("new_out" not in line for line in journal.rows.values())


def _contexts(official: OfficialSet, limit: int | None) -> tuple[str, ...]:
    return tuple(row.context for row in official.rows[:limit])


def _lm_eval_results(
    run: EvaluatedRun,
    sets: Mapping[str, OfficialSet],
    journals: Mapping[tuple[str, str], Journal],
    quiet: bool,
    threads: int,
) -> Mapping[str, Any]:
    with loading():
        from lm_eval import evaluate as lm_evaluate
        from lm_eval.tasks import TaskManager

        from harness.evaluation.engine import Engine, load_engine
        from harness.evaluation.lm_eval_bridge.lm import JournaledLM
        from harness.evaluation.lm_eval_bridge.tasks import task_configs
        from harness.evaluation.sampling.sampler import Sampler, load_sampler

    protocol = run.protocol
    kinds = measures(protocol)
    rows = sum(len(journals[task, OFFICIAL.suffix].contexts) for task in sets)

    def load() -> Engine:
        with loading():
            return load_engine(
                Path(run.assets.model_dir),
                run.adapter_dir,
                protocol,
                rows,
                run.device,
                threads,
                run.spec.model.trust_remote_code,
                run.greedy_noted,
            )

    def sampler() -> Sampler:
        return load_sampler(
            Path(run.assets.model_dir),
            run.adapter_dir,
            protocol,
            run.device,
            run.spec.model.trust_remote_code,
            run.spec.smoke,
        )

    lm = JournaledLM(
        protocol,
        load,
        {task: official.rows for task, official in sets.items()},
        {task: journals[task, OFFICIAL.suffix] for task in sets},
        {task: journals[task, SECOND.suffix] for task in sets if SECOND in kinds},
        quiet,
        sampler,
    )
    manager = TaskManager(include_defaults=False)
    results: dict[str, Any] = lm_evaluate(
        lm=lm,
        task_dict=manager.load(task_configs(protocol, sets)),
        limit=run.spec.evaluation_rows,
        log_samples=False,
    )
    return results


def _toolchains(journals: Mapping[tuple[str, str], Journal]) -> dict[str, str]:
    """Return name -> version of what executed programs; nothing where outputs are read."""
    found = {
        line["toolchain"]
        for journal in journals.values()
        for line in journal.rows.values()
        if "toolchain" in line
    }
    return dict(sorted(text.rsplit(" ", 1) for text in found))


def _scores(
    run: EvaluatedRun,
    sets: Mapping[str, OfficialSet],
    journals: Mapping[tuple[str, str], Journal],
    results: Mapping[str, Any] | None,
) -> tuple[Score, ...]:
    """Return the scores of finished rows; `results` are lm-eval's, by task, where it has run."""
    training = _training_examples(run)
    leaks = {
        task: _leak(training, official, run.spec.evaluation_rows) for task, official in sets.items()
    }
    scores = []
    for kind in measures(run.protocol):
        for task in sets:
            name = kind.form.format(task=task)
            journal = journals[task, kind.suffix]
            measure = Measure(
                task=task,
                metric=kind.metric,
                protocol=_protocol_name(run, kind, name),
                generations_sha256=sha256_text(journal.finish()),
                rows=[journal.rows[row] for row in range(len(journal.contexts))],
                reported=None if results is None else results[name],
            )
            scores.append(score(run.protocol, measure, leaks[task]))
    return tuple(scores)


def _protocol_name(run: EvaluatedRun, kind: MeasureKind, name: str) -> str:
    if kind is OFFICIAL:
        return run.protocol.id
    assert run.protocol.second is not None
    return f"{name}/{run.protocol.second.version}"


def _leak(training: list[Example], official: OfficialSet, limit: int | None) -> LeakCount:
    return count_leak(training, official.source, official.examples[:limit])


def _training_examples(run: EvaluatedRun) -> list[Example]:
    columns = run.protocol.example_columns
    text, answer = columns
    if run.assets.training_file is None:
        return [(row[text], row[answer]) for row in run.protocol.smoke_training()]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(run.assets.training_file, columns=list(columns))
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def _add_elapsed(folder: Path, seconds: float) -> float:
    """Add this session's seconds to those of earlier ones and return the sum."""
    file = folder / ELAPSED
    total = float(read_json(file)["seconds"]) if file.is_file() else 0.0
    total = round(total + seconds, 3)
    if folder.is_dir():  # or the run was deleted meanwhile, and would come back as this one file
        write_atomic(file, pretty_json({"seconds": total}))
    return total
