"""Start the evaluating process: one that loads no plugin, whatever this one has loaded."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from harness.document import write_atomic
from harness.errors import EvaluationError, HarnessError, MissingExtraError, RecordError
from harness.processes.carried_error import CarriedError
from harness.processes.import_paths import isolated
from harness.processes.lifetime import Guardian
from harness.record.file_names import ASSETS, SPEC

UNTRAINED = "untrained"
"""Folder of a run directory: what the base model answers without the adapter."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Every file was found and checked before, so no network is needed; progress is ours; and threads
that wait give their processor to others (a spinning wait is 20 times slower on a busy machine)."""


def evaluate_run(
    run_dir: Path,
    device: str | None = None,
    threads: int | None = None,
    untrained: bool = False,
    quiet: bool = False,
) -> Path:
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

    Returns:
        The folder that holds `generations/` and `scores.json`.

    Raises:
        MissingExtraError: lm-eval or torch is not installed.
        HarnessError: whatever the evaluating process met, of its own kind.
        EvaluationError: it ended without a word; finished rows are kept.
    """
    for package in ("torch", "lm_eval"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"evaluation needs {package}; run `pip install flowertune-harness[run]`"
            )
    folder = _untrained_folder(run_dir) if untrained else run_dir
    command = [sys.executable, "-I", "-m", "harness.evaluation", str(folder)]
    command += ["--device", device] if device else []
    command += ["--threads", str(threads)] if threads else []
    command += ["--untrained"] if untrained else []
    command += ["--quiet"] if quiet else []
    code, output = _guarded(command)
    if code:
        raise _error(code, output, run_dir)
    return folder


def _guarded(command: list[str]) -> tuple[int, str]:
    """Run a command that ends when this process does; return its exit code and its stdout."""
    with (
        Guardian(all_children=False) as guardian,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=isolated(os.environ) | ENVIRONMENT,
        ) as process,
    ):
        guardian.guard(process.pid)
        assert process.stdout is not None
        try:
            output = process.stdout.read()
            return process.wait(), output.decode(errors="replace")
        finally:
            process.kill()


def _untrained_folder(run_dir: Path) -> Path:
    """Return a folder in the run directory that asks for the same evaluation as the run."""
    folder = run_dir / UNTRAINED
    for name in (SPEC, ASSETS):
        if not (run_dir / name).is_file():
            raise RecordError(f"{run_dir}: no {name}; give the directory of a run")
        write_atomic(folder / name, (run_dir / name).read_bytes())
    return folder


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
