"""Writing files so that a crash leaves either the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.document.document import Document, pretty_json
from harness.errors import RecordError


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new, never a part.

    Raises:
        RecordError: the disk refused it (full, read-only); what was there stays.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_document(path: Path, document: Document) -> None:
    """Write a document as indented JSON. Raises RecordError as `write_atomic`."""
    write_atomic(path, pretty_json(document.model_dump(mode="json")))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to write; it takes the place of `path` when all is well.

    Who may read it is what the umask says, as of any file that a program opens.

    Raises:
        RecordError: the disk refused it (full, read-only); what was there stays.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.parent / f".{path.name}.{secrets.token_hex(4)}"
        beside.touch(exist_ok=False)
        temporary = beside
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecordError(f"{path}: cannot be written ({reason}); free space or rights") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
