"""Commits are read as data: what changed between two, which files one holds, and their bytes.

Only plumbing commands of git are run. None of them looks at a work tree, at attributes, or at
configuration outside of the repository, and no filter, hook or external diff takes part.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordError, UsageError

MAX_CHANGES = 2_000
"""Most files that a pull request may change; a submission has about fifteen."""

PLAIN_FILE = "100644"
"""Git's mode of a file that is no link, no submodule and not executable."""

ABSENT = "000000"


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a commit."""

    mode: str
    name: str
    """Of the object that holds its bytes."""
    bytes: int


Tree = dict[str, Blob]
"""Path -> file; a path that is not UTF-8 has surrogates in it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two commits."""

    path: str
    before: str
    """Its mode before, `ABSENT` where it was not there."""
    after: str
    """Its mode afterwards."""

    @property
    def deleted(self) -> bool:
        """Whether it is gone."""
        return self.after == ABSENT

    @property
    def added(self) -> bool:
        """Whether it was not there."""
        return self.before == ABSENT


def commit_of(repository: Path, name: str) -> str:
    """Return the full id of a commit.

    Raises:
        UsageError: the repository holds no commit of that name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/^~-]{0,200}", name):
        raise UsageError(f"{name!r:.80}: expected the id or the name of a commit")
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except RecordError:
        raise UsageError(f"{name}: no such commit in {repository}; fetch it first") from None


def merge_base(repository: Path, base: str, head: str) -> str:
    """Return the commit from which `head` left `base`.

    Raises:
        RecordError: the two have no commit in common.
    """
    try:
        return _git(repository, "merge-base", base, head).split()[0]
    except (RecordError, IndexError):
        raise RecordError(
            f"{head[:12]} has no commit in common with {base[:12]}; branch off the main one"
        ) from None


def changes(repository: Path, before: str, after: str) -> list[Change]:
    """Return what differs between two commits, by path; a renamed file is one gone and one new.

    Raises:
        RecordError: more than `MAX_CHANGES` files.
    """
    text = _git(repository, "diff-tree", "-r", "-z", "--raw", "--no-renames", before, after)
    fields = text.split("\0")[:-1]
    if len(fields) > 2 * MAX_CHANGES:
        raise RecordError(f"{len(fields) // 2} files change; a submission has at most 200")
    found = []
    for info, path in zip(fields[::2], fields[1::2], strict=True):
        old, new, *_ = info.removeprefix(":").split(" ")
        found.append(Change(path, old, new))
    return found


def files_of(repository: Path, commit: str) -> Tree:
    """Return the files of a commit."""
    text = _git(repository, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    tree: Tree = {}
    for line in text.split("\0")[:-1]:
        info, _, path = line.partition("\t")
        mode, _, name, size = info.split()
        tree[path] = Blob(mode, name, 0 if size == "-" else int(size))
    return tree


def write_files(repository: Path, tree: Tree, paths: Iterable[str], folder: Path) -> None:
    """Write plain files of a commit below `folder`; what is no plain file is left out.

    Args:
        repository: where the objects lie.
        tree: of the commit.
        paths: which of its files; each of the form that a submission's files have.
        folder: an empty folder.
    """
    wanted = [path for path in paths if tree[path].mode == PLAIN_FILE]
    blobs = _blobs(repository, [tree[path].name for path in wanted])
    for path, data in zip(wanted, blobs, strict=True):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _blobs(repository: Path, names: list[str]) -> Iterator[bytes]:
    """Yield the contents of objects, in order, from one process."""
    with subprocess.Popen(
        [*_command(repository), "cat-file", "--batch"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for name in names:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
            size = int(process.stdout.readline().split()[2])
            yield process.stdout.read(size)
            process.stdout.read(1)
        process.stdin.close()


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [*_command(repository), *arguments],
            capture_output=True, check=True, env=_environment(),
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError("git is not installed; a pull request is read with it") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RecordError(
            f"{repository}: git {arguments[0]} failed ({said[0] if said else error.returncode});"
            " expected a repository with both commits"
        ) from None
    return done.stdout.decode("utf-8", "surrogateescape")


def _command(repository: Path) -> list[str]:
    return ["git", "-C", str(repository), "-c", "core.hooksPath=/dev/null", "--literal-pathspecs"]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
