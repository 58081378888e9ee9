"""A checkpoint: the whole state after a round, in one safetensors file written atomically."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.document import Document, parse_document, parse_json, replacing
from harness.document.safetensors_header import read_header
from harness.errors import OtherRunError, RecordError
from harness.federation.wire.tensors import digest_arrays
from harness.record.federation import RoundRecord
from harness.record.machine import Device

CHECKPOINTS = "checkpoints"
ADAPTER_PREFIX = "arrays/"
"""Of the adapter's tensors in a checkpoint's file."""
STATE_PREFIX = "state/"
"""Of the tensors of the strategy's state."""

CHECKPOINT_VERSION = 2
"""Of what stands in a checkpoint. Version 1 lacked peft's configuration, which a client was asked
for when the run ended."""


class OtherVersionError(OtherRunError):
    """A checkpoint that another version of the harness has written, whole as it may be."""


class Meta(Document):
    """What a checkpoint says about itself, in the header of its file."""

    version: int = CHECKPOINT_VERSION
    round: int
    """Rounds done; 0 is the initial adapter."""
    spec_digest: str
    data_sha256: tuple[str, ...]
    """Digests of the data and the model, in the order of the run's assets."""
    record: RoundRecord | None
    """Record of `round`; None for round 0."""
    names: tuple[str, ...]
    """Tensors of the adapter in the order of a message."""
    state: Any
    """State of the strategy; see `harness.federation.storage.strategy_state`."""
    roster_sha256: str
    device: Device
    """What the clients said about themselves; the number of actors is not in it."""
    peft_config: str
    """peft's configuration of the initial adapter, JSON."""
    payload_sha256: str
    """Digest of all tensors in the file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint in memory."""

    meta: Meta
    arrays: dict[str, np.ndarray]
    state_tensors: dict[str, np.ndarray]


def path_of(run_dir: Path, number: int) -> Path:
    """Return where the checkpoint after round `number` lies."""
    return run_dir / CHECKPOINTS / f"round-{number:06}.safetensors"


def save(
    run_dir: Path,
    meta: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    state_tensors: Mapping[str, np.ndarray],
) -> Path:
    """Write a checkpoint atomically.

    Args:
        run_dir: the run directory.
        meta: fields of `Meta` but `names` and `payload_sha256`.
        arrays: the adapter.
        state_tensors: tensors of the strategy's state.

    Raises:
        RecordError: the disk refused it; the checkpoints before it stay.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    tensors = {ADAPTER_PREFIX + name: np.ascontiguousarray(array) for name, array in arrays.items()}
    tensors |= {STATE_PREFIX + name: array for name, array in state_tensors.items()}
    body = Meta.model_validate(
        dict(meta) | {"names": tuple(arrays), "payload_sha256": digest_arrays(tensors)}
    )
    path = path_of(run_dir, body.round)
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, {"harness": body.canonical_json()})
    except SafetensorError as error:
        raise RecordError(f"{path}: cannot be written ({error}); free space or rights") from error
    return path


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and check its digest.

    Raises:
        RecordError: missing, torn or altered.
        OtherVersionError: of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        text = read_header(path).metadata["harness"]
        stored = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, RecordError) as error:
        raise RecordError(f"{path}: torn or not a checkpoint ({error}); delete it") from None
    value = parse_json(text, str(path))
    version = value.get("version") if isinstance(value, dict) else None
    if version != CHECKPOINT_VERSION:
        raise OtherVersionError(
            f"{path}: a checkpoint of version {version}, this harness reads version"
            f" {CHECKPOINT_VERSION}; finish the run with the harness that began it, or begin it"
            " again in a new directory"
        )
    meta = parse_document(Meta, value, str(path))
    if digest_arrays(stored) != meta.payload_sha256:
        raise RecordError(f"{path}: its tensors are not those it was written with; delete it")
    arrays = {name: stored[ADAPTER_PREFIX + name] for name in meta.names}
    state = {
        name.removeprefix(STATE_PREFIX): value
        for name, value in stored.items()
        if name.startswith(STATE_PREFIX)
    }
    return Checkpoint(meta, arrays, state)


def rounds_on_disk(run_dir: Path) -> list[int]:
    """Return the rounds that have a checkpoint file, newest first, valid or not."""
    found = (run_dir / CHECKPOINTS).glob("round-*.safetensors")
    return sorted((int(path.stem.split("-")[1]) for path in found), reverse=True)


def newest_valid(run_dir: Path) -> Iterator[Checkpoint]:
    """Yield the valid checkpoints, newest first; torn ones are passed over.

    Raises:
        OtherVersionError: one is of another version. It is not passed over: the run would begin
            again from nothing, beside rounds that are whole.
    """
    for number in rounds_on_disk(run_dir):
        try:
            yield load(path_of(run_dir, number))
        except OtherVersionError:
            raise
        except RecordError:
            continue


def prune(run_dir: Path, keep: int) -> int:
    """Delete all but the newest `keep` checkpoints and what crashes left of unfinished ones.

    Returns:
        The oldest round that is still there.
    """
    for number in rounds_on_disk(run_dir)[keep:]:
        path_of(run_dir, number).unlink(missing_ok=True)
    for leftover in (run_dir / CHECKPOINTS).glob(".*"):
        leftover.unlink(missing_ok=True)
    return min(rounds_on_disk(run_dir), default=0)
