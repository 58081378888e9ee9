"""Digests of files: of one file's bytes, and of a set of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from packaging.version import Version

from harness.document.document import sha256_text
from harness.errors import RecordError
from harness.kernel.digesting import begun_digest

begun: dict[str, Future[str]] = {}
"""Path -> its digest, which a thread is taking; `sha256_file` answers one question by it."""


def begin(path: Path) -> None:
    """Have a thread take the digest that `sha256_file` is going to be asked for.

    Args:
        path: as it will be asked for; nothing may change the file from now on.
    """
    begun[str(path)] = begun_digest(str(path))


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    if (future := begun.pop(str(path), None)) is not None:
        return future.result()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digests(path: Path, root: Path) -> dict[str, str]:
    """Return name below `root` -> sha256 of the files of a module or package.

    Compiled files in `__pycache__` are left out, so that a digest is that of the sources whoever
    imports them first.

    Args:
        path: a file, or a folder with everything in it.
        root: what names are relative to.

    Raises:
        RecordError: a compiled file without a source lies there, which Python would run, or a link
            to a folder, whose files could be exchanged.
    """
    if path.is_file():
        if path.suffix == ".pyc":
            raise RecordError(f"{path} is compiled code without its source; delete it")
        return {path.relative_to(root).as_posix(): sha256_file(path)}
    found = {}
    # In strings: every command does this several times, and paths as objects take twice as long.
    for folder, folders, names in os.walk(path):
        for name in folders:
            if os.path.islink(f"{folder}/{name}"):
                raise RecordError(f"{folder}/{name} is a link to a folder; put the folder there")
        below = Path(folder).relative_to(root).as_posix()
        for name in names:
            file = f"{folder}/{name}"
            if not name.endswith(".pyc"):
                with open(file, "rb") as opened:
                    digest = hashlib.sha256(opened.read()).hexdigest()
                found[name if below == "." else f"{below}/{name}"] = digest
            elif os.path.basename(folder) != "__pycache__":
                raise RecordError(f"{file} is compiled code without its source; delete it")
    return found


def version_of_code(version: str, digest: str) -> str:
    """Return a version that no other code has: a development version says which code it is of.

    Every change between two releases carries one version in the metadata, such as `0.2.0.dev0`;
    with twelve digits of the code's digest as its local label it is `0.2.0.dev0+1f3870be274f`. The
    version of a release, or one that has a label already, stays as it is.
    """
    parsed = Version(version)
    return version if parsed.dev is None or parsed.local else f"{version}+{digest[:12]}"


def sha256_of_set(digests: Mapping[str, str], folder_by_folder: bool = False) -> str:
    """Return the hex sha256 of a set of files: of its sorted lines `name:sha256`.

    Args:
        digests: name of each file, with `/` between folders -> hex sha256 of its bytes.
        folder_by_folder: sort the names part by part. `a/x` then comes before `a-b/x`, although
            `-` sorts before `/`. The digest of a plugin has always been taken in this order, that
            of data and models letter by letter; both are in published records.
    """
    names = sorted(digests, key=lambda name: name.split("/") if folder_by_folder else [name])
    return sha256_text("".join(f"{name}:{digests[name]}\n" for name in names))
