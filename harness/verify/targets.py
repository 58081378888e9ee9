"""What a path holds: a record, a submission, a run directory, a claim, or a tree of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import RecordError
from harness.record.file_names import CLAIM, RESULT, SPEC

MAX_DEPTH = 4
"""Levels below a given folder that are searched: submissions/<challenge>/<name>."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to check."""

    kind: Literal["record", "submission", "run", "claim"]
    record: Path
    folder: Path | None
    name: str
    """How findings call it."""


def find_targets(path: Path) -> Iterator[Target]:
    """Yield what there is to check at `path`, in order of names.

    Raises:
        RecordError: nothing is there to check.
    """
    if path.is_file():
        if path.name == CLAIM:
            yield Target("claim", path, path.parent, str(path.parent))
        else:
            yield Target("record", path, None, str(path))
        return
    if not path.is_dir():
        raise RecordError(f"{path}: no such file or folder; give a result.json or a submission")
    targets = list(_in_folder(path, 0))
    if not targets:
        raise RecordError(
            f"{path}: no {RESULT} or {CLAIM} in it; give a submission or a tree of them"
        )
    yield from targets


def _in_folder(folder: Path, depth: int) -> Iterator[Target]:
    for name in (RESULT, CLAIM):
        if (folder / name).exists() or (folder / name).is_symlink():
            yield _target(folder, name, depth)
            return
    if depth < MAX_DEPTH:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _in_folder(child, depth + 1)


def _target(folder: Path, name: str, depth: int) -> Target:
    if name == CLAIM:
        return Target("claim", folder / name, folder, str(folder))
    # Only a folder that the user names, outside of submissions/, can be a run directory: a stray
    # spec.json must not take a submission out of the submission's rules.
    submitted = folder.resolve().parent.parent.name == "submissions"
    is_run = depth == 0 and not submitted and (folder / SPEC).is_file()
    return Target("run" if is_run else "submission", folder / name, folder, str(folder))
