"""The rounds of a run whose adapter is still there, each laid out as something to be evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.document import digest_of, parse_json, sha256_file, write_atomic
from harness.errors import EvaluationError, UsageError
from harness.federation.storage import checkpoint
from harness.federation.storage.adapter_file import write_adapter
from harness.federation.storage.ledger import Ledger
from harness.federation.wire.tensors import digest_arrays
from harness.record.federation import RoundRecord
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.run_directory import as_asked, read_spec
from harness.spec import RunSpec

ROUNDS_FOLDER = "rounds"
"""Folder of a run directory: a folder for each round that was evaluated by itself."""


def kept_rounds(run_dir: Path, rounds: Sequence[RoundRecord]) -> dict[int, Path]:
    """Return round -> the adapter's folder or the checkpoint that holds it, first to last.

    Args:
        run_dir: the run directory.
        rounds: those on its ledger.
    """
    found = {}
    for item in rounds:
        places = [run_dir / f"adapter_round_{item.round}"]
        if item.round == read_spec(run_dir).train.rounds:
            places.insert(0, run_dir / ADAPTER)
        whole = [place for place in places if (place / ADAPTER_WEIGHTS).is_file()]
        file = checkpoint.path_of(run_dir, item.round)
        if whole or file.is_file():
            found[item.round] = whole[0] if whole else file
    return found


def recorded_rounds(run_dir: Path) -> list[RoundRecord]:
    """Return the rounds on a run's ledger.

    Raises:
        UsageError: there is none.
    """
    rounds = Ledger(run_dir).rounds
    if not rounds:
        raise UsageError(f"{run_dir}: no round is on its ledger; run it first")
    return rounds


def round_folder(run_dir: Path, number: int) -> tuple[Path, str]:
    """Return a folder that asks for the evaluation of one round, as a run directory does.

    Args:
        run_dir: the run directory.
        number: of the round, from 1.

    Returns:
        The folder, with the round's adapter, and the digest of the adapter's weights.

    Raises:
        UsageError: no such round, or its adapter was not kept.
        EvaluationError: the adapter that lies there is not what the ledger says.
    """
    rounds = recorded_rounds(run_dir)
    kept = kept_rounds(run_dir, rounds)
    if number not in kept:
        listed = ", ".join(map(str, kept)) or "none"
        raise UsageError(
            f"{run_dir}: no adapter of round {number}; kept are {listed}. A run keeps every round"
            " with --set save_every_rounds=1"
        )
    folder = as_asked(run_dir, run_dir / ROUNDS_FOLDER / str(number))
    adapter = folder / ADAPTER
    record = next(item for item in rounds if item.round == number)
    if kept[number].is_dir():
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
            write_atomic(adapter / name, (kept[number] / name).read_bytes())
    else:
        _unpack(kept[number], read_spec(run_dir), adapter)
    _refuse_another(adapter / ADAPTER_WEIGHTS, record)
    return folder, sha256_file(adapter / ADAPTER_WEIGHTS)


def _unpack(path: Path, spec: RunSpec, adapter: Path) -> None:
    """Write the adapter that a checkpoint holds.

    Raises:
        RecordError: the checkpoint cannot be read.
        EvaluationError: it is of another run, or its ranks have grown.
    """
    found = checkpoint.load(path)
    if found.meta.spec_digest != digest_of(spec):
        raise EvaluationError(f"{path}: of another run; put the run's own checkpoint back")
    config = parse_json(found.meta.peft_config, "peft's configuration")
    _refuse_grown(path, found.arrays, config)
    shapes = {name: values.shape for name, values in found.arrays.items()}
    write_adapter(adapter, found.arrays, found.meta.peft_config, shapes)


def _refuse_grown(path: Path, arrays: Mapping[str, np.ndarray], config: Any) -> None:
    """Check that an adapter has the rank of its configuration.

    Raises:
        EvaluationError: the strategy let it grow, so the checkpoint alone does not say its scale.
    """
    ranks = {len(values) for name, values in arrays.items() if name.endswith(".lora_A.weight")}
    known = {config.get("r"), *dict(config.get("rank_pattern") or {}).values()}
    if grown := sorted(ranks - known):
        raise EvaluationError(
            f"{path}: its ranks have grown to {grown}; let the run keep its adapters with --set"
            " save_every_rounds=1 and evaluate those"
        )


def _refuse_another(path: Path, record: RoundRecord) -> None:
    from safetensors.numpy import load_file

    if digest_arrays(load_file(path)) != record.aggregate_sha256:
        raise EvaluationError(
            f"{path}: not the aggregate of round {record.round}, which is"
            f" {record.aggregate_sha256[:12]}; the run's files were changed: repeat the run"
        )
