"""What a path holds: a record, a submission, a run directory, a claim, or a tree of these."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import RecordError, UsageError, how_to_finish
from harness.record.file_names import ASSETS, CLAIM, RESULT, SPEC
from harness.verify.report import shown_path

TREE = "submissions"
"""Name of the folder in which entries are filed."""

FILED_DEPTH = 2
"""Folders from the tree to an entry: its board and its name."""

MAX_DEPTH = 4
"""Levels below a given folder that are searched: submissions/<challenge>/<name>."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to check."""

    kind: Literal["record", "submission", "run", "claim"]
    record: Path
    folder: Path | None
    name: str
    """How findings call it: one printable line."""
    filed: tuple[str, ...] | None = None
    """Folders from `submissions/` to this one, its own included; None where it lies in no such
    tree."""


def find_targets(path: Path) -> Iterator[Target]:
    """Yield what there is to check at `path`, in order of names.

    Raises:
        RecordError: nothing is there to check.
    """
    if path.is_file():
        if path.name == CLAIM:
            filed = filed_at(path.parent, path.parent)
            yield Target("claim", path, path.parent, shown_path(path.parent), filed)
        else:
            yield Target("record", path, None, shown_path(path))
        return
    if not path.is_dir():
        if path.exists():
            raise RecordError(f"{path}: a pipe, socket or device; give a plain file or a folder")
        raise RecordError(f"{path}: no such file or folder; give a result.json or a submission")
    targets = list(_in_folder(path, path, 0))
    if not targets and (path / SPEC).is_file():
        raise RecordError(f"{path}: no {RESULT} yet; {how_to_finish(path)}")
    if not targets:
        raise RecordError(
            f"{path}: no {RESULT} or {CLAIM} in it; give a submission or a tree of them"
        )
    yield from targets


def refuse_claim(path: Path) -> None:
    """Check that a path that should be a run is no claim.

    Raises:
        RecordError: it is one.
    """
    if path.name == CLAIM or ((path / CLAIM).is_file() and not (path / RESULT).exists()):
        raise RecordError(
            f"{path}: a claim, which holds what a project says and no run; harness import --recipe"
            " makes a recipe of the project, which can be run"
        )


def filed_at(folder: Path, root: Path) -> tuple[str, ...] | None:
    """Return the folders from `submissions/` to `folder`, its own included; None without one.

    The tree is the first `submissions` at or below what the user named, so that one inside another
    hides nothing; else the last one above it.

    Args:
        folder: of an entry.
        root: what the user named: the folder itself, or one above it.
    """
    parts, above = folder.resolve().parts, len(root.resolve().parts) - 1
    named = [index for index, part in enumerate(parts) if part == TREE]
    below = [index for index in named if index >= above and index < len(parts) - 1]
    before = [index for index in named if index < above]
    tree = below[0] if below else before[-1] if before else None
    return None if tree is None else parts[tree + 1 :]


def tree_of(target: Target) -> Path | None:
    """Return the folder `submissions/` in which a target is filed as it should be, or None."""
    if target.folder is None or target.filed is None or len(target.filed) != FILED_DEPTH:
        return None
    return target.folder.resolve().parent.parent


def refuse_tree_of_runs(root: Path, targets: Sequence[Target]) -> None:
    """Check that no run directory lies below what the user named, where none is taken for one.

    Args:
        root: what the user named.
        targets: that were found at it.

    Raises:
        UsageError: there are some; it names them.
    """
    runs = [
        target.folder
        for target in targets
        if target.kind == "submission" and target.filed is None
        if target.folder is not None and target.folder != root
        if all((target.folder / name).is_file() for name in (SPEC, ASSETS))
    ]
    if runs:
        places = " ".join(shlex.quote(str(folder)) for folder in runs[:3])
        more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
        raise UsageError(
            f"{root}: a folder of run directories, which are checked by their own names:"
            f" harness verify {places}{more}"
        )


def _in_folder(root: Path, folder: Path, depth: int) -> Iterator[Target]:
    for name in (RESULT, CLAIM):
        if (folder / name).exists() or (folder / name).is_symlink():
            yield _target(root, folder, name)
            return
    if depth < MAX_DEPTH:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _in_folder(root, child, depth + 1)


def _target(root: Path, folder: Path, name: str) -> Target:
    filed = filed_at(folder, root)
    if name == CLAIM:
        return Target("claim", folder / name, folder, shown_path(folder), filed)
    # Only a folder that the user names, outside of submissions/, can be a run directory: a stray
    # spec.json must not take a submission out of the submission's rules.
    is_run = folder == root and filed is None and (folder / SPEC).is_file()
    kind: Literal["run", "submission"] = "run" if is_run else "submission"
    return Target(kind, folder / name, folder, shown_path(folder), filed)
