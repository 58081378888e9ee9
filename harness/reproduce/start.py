"""A repetition begins at the start, or at a checkpoint of the original."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import run_directory
from harness.document import write_atomic
from harness.errors import RecordError, UsageError
from harness.federation.clientapp import client_state
from harness.federation.storage import checkpoint
from harness.record.file_names import ROUNDS


def refuse_used(work_dir: Path) -> None:
    """Check that nothing lies where a repetition writes: it would be taken for its result.

    Raises:
        UsageError: `work_dir` is a file, not empty, or cannot be written to.
    """
    if work_dir.exists() and (not work_dir.is_dir() or any(work_dir.iterdir())):
        raise UsageError(f"{work_dir} is not an empty directory; choose another --out")
    run_directory.refuse_unwritable(work_dir)


def seed_from_checkpoint(folder: Path, work_dir: Path, number: int) -> int:
    """Copy the newest checkpoint up to round `number`, and what belongs to it, into `work_dir`.

    Args:
        folder: of the original.
        work_dir: of the repetition; made when it is not there.
        number: the newest round that may be copied; 0 is the initial adapter.

    Returns:
        The round of that checkpoint, 0 when the repetition begins at the start.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    for candidate in checkpoint.rounds_on_disk(folder):
        if candidate > number:
            continue
        try:
            checkpoint.load(checkpoint.path_of(folder, candidate))
        except RecordError:
            continue
        target = checkpoint.path_of(work_dir, candidate)
        target.parent.mkdir(parents=True)
        shutil.copyfile(checkpoint.path_of(folder, candidate), target)
        lines = (folder / ROUNDS).read_text("utf-8").splitlines(keepends=True)[:candidate]
        write_atomic(work_dir / ROUNDS, "".join(lines))
        states = client_state.CLIENT_STATES
        client_state.copy(folder / states, work_dir / states, candidate)
        return candidate
    return 0
