"""What a client keeps for itself between its rounds: files that only it reads, one per round.

A strategy's plan may say that something stays at home (a control variate, one factor of LoRA). It
is neither sent nor counted. Files carry the round that wrote them, so that a run resumed from an
older round finds what the client had then.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.document import write_atomic
from harness.document.safetensors_header import read_header
from harness.errors import RecordError
from harness.federation.wire.tensors import digest_arrays

CLIENT_STATES = "clients"


def path_of(folder: Path, partition: int, number: int) -> Path:
    """Return the file of what `partition` kept after round `number`."""
    return folder / f"partition-{partition:05}-round-{number:06}.safetensors"


def save(folder: Path, partition: int, number: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep what a client holds after a round, atomically.

    Args:
        folder: where clients keep their files.
        partition: whose arrays they are.
        number: the round, from 1.
        arrays: by tensor name; float32.

    Raises:
        RecordError: the disk refused it.
    """
    from safetensors.numpy import save as to_bytes

    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = to_bytes(tensors, {"sha256": digest_arrays(tensors)})
    write_atomic(path_of(folder, partition, number), data)


def load(folder: Path, partition: int, number: int) -> dict[str, np.ndarray]:
    """Return what a client kept after round `number`.

    Raises:
        RecordError: missing or damaged; the run cannot go on as it would have.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = path_of(folder, partition, number)
    try:
        arrays: dict[str, np.ndarray] = load_file(path)
        whole = read_header(path).metadata["sha256"] == digest_arrays(arrays)
    except (OSError, SafetensorError, ValueError, KeyError, RecordError) as error:
        raise RecordError(
            f"{path}: what the client kept after round {number} is missing or damaged ({error});"
            " begin the run again"
        ) from None
    if not whole:
        raise RecordError(f"{path}: altered since it was written; begin the run again")
    return arrays


def copy(folder: Path, target: Path, newest: int) -> None:
    """Copy what clients kept up to the round `newest`, and nothing of later rounds."""
    for path in folder.glob("partition-*-round-*.safetensors"):
        if _round_of(path) <= newest:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.name)


def _round_of(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def prune(folder: Path, oldest: int) -> None:
    """Delete what no resumed run would read: all but the newest of the files up to round `oldest`,
    per partition."""
    by_partition: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("partition-*-round-*.safetensors")):
        if _round_of(path) <= oldest:
            by_partition.setdefault(path.name.split("-round-")[0], []).append(path)
    for paths in by_partition.values():
        for path in paths[:-1]:
            path.unlink(missing_ok=True)
