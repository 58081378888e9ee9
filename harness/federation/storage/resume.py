"""A run directory is resumed from the newest round that checkpoint and ledger both vouch for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.document import digest_of
from harness.errors import OtherRunError, RecordError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome
from harness.federation.storage.checkpoint import Checkpoint, newest_valid
from harness.federation.storage.ledger import Ledger
from harness.federation.wire.tensors import digest_arrays
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, SPEC
from harness.record.machine import Device


@dataclass(frozen=True, slots=True)
class Position:
    """A state from which rounds can go on."""

    round: int
    arrays: dict[str, np.ndarray]
    state: Any
    state_tensors: dict[str, np.ndarray]
    device: Device
    peft_config: str
    """Of the initial adapter, JSON; see `harness.federation.storage.adapter_file`."""


def find_position(run_dir: Path, job: Job, ledger: Ledger) -> Position | None:
    """Find the newest usable checkpoint and bring the ledger to it.

    A crash between checkpoint and ledger leaves the ledger one line short: the checkpoint holds
    that line. A torn checkpoint is passed over for the one before it; rounds after the checkpoint
    are dropped from the ledger, since they are run again.

    Killed while round 7 was kept, a run may be found with

    - checkpoints 5 and 6, six lines: nothing of round 7; go on after 6,
    - checkpoints 6 and 7, six lines: line 7 is copied from checkpoint 7; go on after 7,
    - checkpoint 7 torn, 6 whole, six lines: go on after 6.

    The checkpoint decides, never the ledger: lines can be made of a checkpoint and not the reverse.

    Returns:
        The position, or None when the run must begin at the beginning.

    Raises:
        OtherRunError: a checkpoint of another spec or of other data lies in the directory.
    """
    for found in newest_valid(run_dir):
        _check_same_run(found, run_dir, job)
        number = found.meta.round
        if len(ledger.rounds) >= number and _matches(found, ledger):
            ledger.keep(number)
        elif len(ledger.rounds) == number - 1 and found.meta.record is not None:
            ledger.keep(number - 1)  # what is torn may still stand behind them
            try:
                ledger.append(found.meta.record)
            except RecordError:
                continue
        else:
            continue
        meta = found.meta
        return Position(
            number, found.arrays, meta.state, found.state_tensors, meta.device, meta.peft_config
        )
    return None


def finished(run_dir: Path, job: Job, actors: int) -> FederationOutcome | None:
    """Return the outcome of a federation whose every round and adapter are there already.

    Raises:
        OtherRunError: as `find_position`.
    """
    ledger = Ledger(run_dir)
    if len(ledger.rounds) != job.spec.train.rounds:
        return None
    found = next(newest_valid(run_dir), None)
    adapter = run_dir / ADAPTER / ADAPTER_WEIGHTS
    if found is None or found.meta.round != len(ledger.rounds) or not adapter.is_file():
        return None
    _check_same_run(found, run_dir, job)
    if not _matches(found, ledger) or not _holds(adapter, found.arrays):
        return None
    device = found.meta.device.with_values(actors=actors)
    return FederationOutcome(tuple(ledger.rounds), found.meta.roster_sha256, device, duration_s=0.0)


def _holds(adapter: Path, arrays: dict[str, np.ndarray]) -> bool:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = adapter.with_name(ADAPTER_CONFIG)
    try:
        return config.is_file() and digest_arrays(load_file(adapter)) == digest_arrays(arrays)
    except (OSError, SafetensorError, ValueError):
        return False


def _matches(found: Checkpoint, ledger: Ledger) -> bool:
    number, record = found.meta.round, found.meta.record
    if number == 0:
        return record is None
    return (
        record is not None
        and ledger.rounds[number - 1].digest == record.digest
        and record.aggregate_sha256 == digest_arrays(found.arrays)
    )


def _check_same_run(found: Checkpoint, run_dir: Path, job: Job) -> None:
    expected = digest_of(job.spec)
    if found.meta.spec_digest != expected:
        raise OtherRunError(
            f"{run_dir}: {SPEC} is {expected[:12]} and its rounds were made by"
            f" {found.meta.spec_digest[:12]}: it differs from what started the run; put it back as"
            " it was, or start a new directory"
        )
    data = tuple(item.sha256 for item in job.assets.data)
    if found.meta.data_sha256 != data:
        changed = [
            item.name
            for item, before in zip(job.assets.data, found.meta.data_sha256, strict=False)
            if item.sha256 != before
        ]
        raise OtherRunError(
            f"{run_dir}: {', '.join(changed) or 'the data'} changed since its checkpoint was"
            " written; resume with the same files, or start a new directory"
        )
