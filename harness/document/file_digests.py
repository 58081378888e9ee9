"""Digests of files: of one file's bytes, and of a set of files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.document.document import sha256_text


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
