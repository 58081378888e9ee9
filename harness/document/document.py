"""Documents: what is written to disk or sent to another process.

A document is a frozen pydantic model that refuses unknown fields, NaN and infinities. Its canonical
JSON (sorted keys, no spaces, UTF-8) has one digest, whoever computes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import RecordError

MAX_DOCUMENT_BYTES = 64 * 2**20
"""Largest JSON document that is read: a record of 1,000 rounds takes about 1 MiB."""

MAX_NESTING = 64
"""Deepest nesting of a JSON document that is read; ours nest 8 deep."""


class Document(BaseModel):
    """Base of every document: frozen, strict about its fields, finite numbers only."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,
    )

    def canonical_json(self) -> str:
        """Return the canonical JSON text of this document."""
        return canonical_json(self.model_dump(mode="json"))

    def with_values(self, **changes: Any) -> Self:
        """Return a copy with `changes`, validated again (pydantic's `model_copy` does not)."""
        return type(self).model_validate(self.model_dump() | changes)


D = TypeVar("D", bound=Document)


def digest_of(document: Document) -> str:
    """Return the hex sha256 of a document's canonical JSON (64 characters)."""
    return sha256_text(document.canonical_json())


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces.

    Raises:
        ValueError: `value` holds NaN or an infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_text(text: str) -> str:
    """Return the hex sha256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_json(text: str, where: str) -> Any:
    """Parse JSON that may come from a stranger.

    Args:
        text: the JSON text.
        where: what it was read from, for the message.

    Raises:
        RecordError: not JSON, a key twice in one object, NaN or Infinity, or nested too deep.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(items)
        if len(seen) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise RecordError(f"{where}: key {twice[:80]!r} occurs twice in one object; keep one")
        return seen

    def constant(name: str) -> Any:
        raise RecordError(f"{where}: {name} is not a JSON number; write a finite number")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except RecursionError:
        raise RecordError(f"{where}: nested too deep; at most {MAX_NESTING} levels") from None
    except ValueError as error:
        raise RecordError(f"{where}: not JSON ({error}); expected one JSON document") from None
    _check_depth(value, where)
    return value


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        children: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                children.extend(item.values())
            elif isinstance(item, list):
                children.extend(item)
        if not children:
            return
        level = children
    raise RecordError(f"{where}: nested too deep; at most {MAX_NESTING} levels")


def read_text(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> str:
    """Read a UTF-8 file of bounded size.

    Raises:
        RecordError: missing, not a regular file, larger than `max_bytes`, or not UTF-8.
    """
    try:
        if not path.is_file():
            raise RecordError(f"{path}: no such file; expected a JSON document there")
        size = path.stat().st_size
        if size > max_bytes:
            raise RecordError(f"{path}: {size} bytes; at most {max_bytes} are read")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check it") from None


def read_json(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> Any:
    """Read one bounded JSON file; see `parse_json` and `read_text` for what is refused."""
    return parse_json(read_text(path, max_bytes), str(path))


def parse_document(kind: type[D], value: Any, where: str) -> D:
    """Validate a parsed value as a document of `kind`.

    Raises:
        RecordError: a field is missing, unknown or of a wrong type; the first three are named.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise RecordError(f"{where}: not a {kind.__name__}: {explain(error)}") from None


def read_document(kind: type[D], path: Path) -> D:
    """Read and validate one document file. Raises RecordError as its parts do."""
    return parse_document(kind, read_json(path), str(path))


def explain(error: ValidationError) -> str:
    """Return the first three problems of a validation error in one line."""
    problems = [
        f"{'.'.join(str(part) for part in item['loc']) or 'document'}: {item['msg']}"
        f" (found {str(item['input'])[:60]!r})"
        for item in error.errors()[:3]
    ]
    more = error.error_count() - len(problems)
    return "; ".join(problems) + (f"; and {more} more" if more > 0 else "")


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new, never a part.

    Raises:
        RecordError: the disk refused it (full, read-only); what was there stays.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to write; it takes the place of `path` when all is well.

    Raises:
        RecordError: the disk refused it (full, read-only); what was there stays.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecordError(f"{path}: cannot be written ({reason}); free space or rights") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def pretty_json(value: Any) -> str:
    """Return `value` as indented JSON with a final newline, keys in their given order."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
