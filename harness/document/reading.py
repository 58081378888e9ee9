"""Reading files that strangers wrote: bounded, without following links, without surprises."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.document import parse_json
from harness.document.text import fault_of_value
from harness.errors import RecordError

MIB = 2**20


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of at most `max_bytes`; links, pipes and devices are not opened.

    Raises:
        RecordError: not there, not a regular file, or too large.
    """
    name = path.name
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise RecordError(
            f"{name}: cannot be opened ({error.strerror}); use a plain file"
        ) from None
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise RecordError(f"{name}: not a regular file; expected one")
        data = file.read(max_bytes + 1) if info.st_size <= max_bytes else b""
    if info.st_size > max_bytes or len(data) > max_bytes:
        size = max(info.st_size, len(data))
        raise RecordError(f"{name}: {size} bytes; at most {max_bytes} are read")
    return data


def read_utf8(path: Path, max_bytes: int) -> str:
    """Read a bounded UTF-8 file without byte order mark.

    Raises:
        RecordError: as `read_bytes`, or not UTF-8.
    """
    data = read_bytes(path, max_bytes)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{path.name}: not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise RecordError(f"{path.name}: starts with a byte order mark; save it without")
    return text


def read_value(path: Path, max_bytes: int) -> Any:
    """Read one JSON value whose strings and numbers are harmless; see `harness.document.text`.

    Raises:
        RecordError: as its parts do.
    """
    value = parse_json(read_utf8(path, max_bytes), path.name)
    fault = fault_of_value(value)
    if fault:
        raise RecordError(f"{path.name}: {fault}")
    return value


def walk(folder: Path, max_entries: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (path relative to `folder` with `/`, entry) of everything in it, links not followed.

    Raises:
        RecordError: more than `max_entries` entries.
    """
    count = 0
    pending = [("", str(folder))]
    while pending:
        prefix, current = pending.pop()
        with os.scandir(current) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                count += 1
                if count > max_entries:
                    raise RecordError(f"more than {max_entries} files; a submission has about ten")
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((name + "/", entry.path))
                else:
                    yield name, entry
