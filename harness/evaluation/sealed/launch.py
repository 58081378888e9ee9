"""What is asked of the evaluating process, and what its answer means."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.boards.execution import EXECUTABLES
from harness.boards.registry import protocol_of
from harness.document import parse_document, parse_json, read_document, read_json
from harness.errors import EvaluationError, HarnessError, RecordError
from harness.evaluation.held_out_row import HeldOutAnswers, HeldOutRow
from harness.evaluation.proof import kept_key, new_key
from harness.evaluation.sealed.evaluator import ENVIRONMENT, Evaluator
from harness.evaluation.sealed.order import Order
from harness.kernel.allowance import cores
from harness.machine.versions import require_run_extra
from harness.processes import startup
from harness.processes.carried_error import CarriedError
from harness.record.file_names import ASSETS, RESULT, SPEC
from harness.record.score import Scores
from harness.run_directory import as_asked
from harness.sources.assets import Assets
from harness.spec import RunSpec

UNTRAINED = "untrained"
"""Folder of a run directory: what the base model answers without the adapter."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation gave."""

    folder: Path
    """With `generations/` and `scores.json`."""
    scores: Scores
    """From the evaluating process itself, not from a file."""


def evaluate_run(
    run_dir: Path,
    device: str | None = None,
    threads: int | None = None,
    untrained: bool = False,
    quiet: bool = False,
    adapter_sha256: str | None = None,
    fresh: bool = False,
    evaluator: Evaluator | None = None,
) -> Evaluated:
    """Evaluate a run directory, or what is missing of it, in a process of its own.

    Writes `generations/*.jsonl` and `scores.json`. Killed at any moment, it goes on from the last
    finished row when called again.

    Args:
        run_dir: with `spec.json`, `assets.json` and `adapter/`.
        device: `cpu` or `cuda`; None: the spec's.
        threads: torch threads; None: every processor this process may use.
        untrained: evaluate the base model without the adapter, in `run_dir/untrained`: the run's
            own answers stay.
        quiet: print no progress.
        adapter_sha256: of the weights that the run made; None: what `result.json` says, if it is
            there.
        fresh: take no row that lies there: the federation has only just ended, so none is ours.
        evaluator: has the order carried out, in place of one that is made here; its threads count.

    Raises:
        MissingExtraError: the extra `[run]` is not installed.
        HarnessError: whatever the evaluating process met, of its own kind.
        EvaluationError: what Python runs by itself changed since this command began; or the process
            ended without a word; finished rows are kept.
    """
    require_run_extra()
    found = startup.here()
    found.refuse_changes()
    _refuse_no_run(run_dir)
    folder = as_asked(run_dir, run_dir / UNTRAINED) if untrained else run_dir
    order = Order(
        run_dir=str(folder.absolute()),
        spec=read_document(RunSpec, folder / SPEC),
        assets=read_document(Assets, folder / ASSETS),
        device=device,
        threads=evaluator.threads if evaluator is not None else threads or cores(),
        untrained=untrained,
        quiet=quiet,
        adapter_sha256=None if untrained else adapter_sha256 or _recorded_adapter(folder),
        key=new_key(folder) if fresh else kept_key(folder),
        startup=found,
    )
    return Evaluated(
        folder, parse_document(Scores, _answer(order, run_dir, evaluator), "the scores")
    )


def answer_rows(
    folder: Path,
    rows: Sequence[HeldOutRow],
    device: str | None,
    threads: int | None,
    quiet: bool,
    adapter_sha256: str | None,
) -> HeldOutAnswers:
    """Have held-out rows answered by a process that loads no plugin.

    Args:
        folder: with `spec.json`, `assets.json` and, unless the base is asked, `adapter/`.
        rows: at least one.
        device: `cpu` or `cuda`; None: the spec's.
        threads: torch threads; None: every processor this process may use.
        quiet: print no progress.
        adapter_sha256: of the adapter's weights; None: the untrained base is asked.

    Raises:
        HarnessError: as `evaluate_run` does.
    """
    require_run_extra()
    found = startup.here()
    found.refuse_changes()
    order = Order(
        run_dir=str(folder.absolute()),
        spec=read_document(RunSpec, folder / SPEC),
        assets=read_document(Assets, folder / ASSETS),
        device=device,
        threads=threads or cores(),
        untrained=adapter_sha256 is None,
        quiet=quiet,
        adapter_sha256=adapter_sha256,
        key="",
        held_out=tuple(rows),
        startup=found,
    )
    return parse_document(HeldOutAnswers, _answer(order, folder), "the answers")


def _answer(order: Order, run_dir: Path, evaluator: Evaluator | None = None) -> Any:
    """Return what the evaluating process says last, as a JSON value.

    Raises:
        HarnessError: it failed, or what Python runs by itself changed meanwhile.
    """
    with evaluator or Evaluator(order.threads) as process:
        code, output = process.carry_out(order)
    if code:
        raise _error(code, output, run_dir)
    order.startup.refuse_changes()
    return parse_json((output.splitlines() or [""])[-1], "the evaluating process's answer")


def refuse_missing_languages(challenge: Challenge) -> None:
    """Check that the evaluating process will find what executes a board's programs.

    It knows the standard folders alone, whatever PATH says here.

    Raises:
        EvaluationError: an interpreter or a compiler is in none of them.
    """
    sampling = protocol_of(challenge).decoding.sampling
    languages = {} if sampling is None else {f.language: None for f in sampling.forms.values()}
    for language in languages:
        name = EXECUTABLES.get(language)
        if name is not None and shutil.which(name, path=ENVIRONMENT["PATH"]) is None:
            raise EvaluationError(
                f"{name} is in none of {ENVIRONMENT['PATH']}, where an evaluation looks for what"
                f" executes {language} programs; install it there, or link it into /usr/local/bin"
            )


def _recorded_adapter(run_dir: Path) -> str | None:
    """Return the digest of the weights that a finished run's record names, where there is one."""
    if not (run_dir / RESULT).is_file():
        return None
    value = read_json(run_dir / RESULT)
    found = value.get("adapter", {}).get("sha256") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _refuse_no_run(run_dir: Path) -> None:
    """Check that what an evaluation begins with is there; a filed submission has neither.

    Raises:
        RecordError: a file is missing.
    """
    for name in (SPEC, ASSETS):
        if not (run_dir / name).is_file():
            raise RecordError(
                f"{run_dir}: no {name}; give the directory of a run, as harness run left it"
            )


def _error(code: int, output: str, run_dir: Path) -> HarnessError:
    with suppress(RecordError):
        told = CarriedError.read((output.splitlines() or [""])[-1], "its last line")
        if (kind := told.kind()) is not None:
            return kind(told.message)
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    memory = " (out of memory?)" if code == -9 else ""
    return EvaluationError(
        f"{run_dir}: the evaluating process {how}{memory}; finished rows are kept:"
        f" harness evaluate {shlex.quote(str(run_dir))} goes on from there"
    )
