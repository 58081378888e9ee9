"""Reading JSON and text from files, within bounds, under one of two policies.

`OWN` is for files that the harness or its user wrote: a path may go through links, and texts may
hold whatever a model said. `STRANGER` is for files of a submission or a project: links are refused,
and strings and numbers must be harmless (`harness.document.harmless`).

Under both policies a file is opened once and its size is bounded, keys are unique, numbers are
finite, nesting is shallow and the number of values is bounded.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from harness.document.document import Document, parse_document
from harness.document.harmless import fault_of_value, surely_harmless
from harness.document.units import MIB
from harness.errors import RecordError

MAX_DOCUMENT_BYTES = 64 * MIB
"""Largest JSON document that is read: a record of 1,000 rounds takes about 1 MiB."""

MAX_NESTING = 64
"""Deepest nesting of a JSON document that is read; ours nest 8 deep."""

MAX_VALUES = 500_000
"""Most values of one JSON document, keys not counted. A client's part in a round has 7 values and
takes 280 bytes in a record, so that a record of 16 MiB, the largest that may be submitted, holds
420,000. Python needs about 200 bytes for a small value under a key of its own."""

MAX_KEYS = 100_000
"""Most keys of one object. The header of a safetensors file has one for each tensor, 21,000 for an
adapter of 1,000 layers."""

NEXT_VALUE = re.compile(r'(?:[^",\[{]++|"(?:[^"\\]++|\\.)*+"?)*+(?:[,\[{]|\Z)', re.DOTALL)
"""JSON text up to the next character that a value may follow: each value but the outermost stands
behind a comma or is the first of a list or an object. In `{"a": [1, "x,y"]}` these are `{`, `[` and
the one comma that is not inside a string. Every repetition is possessive and every text matches, so
that a hostile one takes linear time too."""

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Policy:
    """How far a reader trusts whoever wrote a file."""

    follows_links: bool
    checks_values: bool
    """Whether strings and numbers must be harmless; see `fault_of_value`."""
    names_whole_path: bool
    """Whether messages begin with the whole path; findings put a submission's folder before them.
    """


OWN = Policy(follows_links=True, checks_values=False, names_whole_path=True)
STRANGER = Policy(follows_links=False, checks_values=True, names_whole_path=False)


@contextmanager
def open_plain(
    path: Path | str, max_bytes: int, policy: Policy = OWN, buffering: int = -1
) -> Iterator[BinaryIO]:
    """Open a regular file of at most `max_bytes`; pipes and devices are never waited for.

    Args:
        path: of the file.
        max_bytes: of a larger file nothing is read.
        policy: whether links are followed.
        buffering: as `open` takes it; 0 where a file is read whole.

    Raises:
        RecordError: missing, not a regular file, too large, or it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if policy.follows_links else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
        with os.fdopen(handle, "rb", buffering) as file:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode):
                where = shown_name(path, policy)
                raise RecordError(f"{where}: not a regular file; expected one")
            if info.st_size > max_bytes:
                where = shown_name(path, policy)
                raise RecordError(f"{where}: {info.st_size} bytes; at most {max_bytes} are read")
            yield file
    except FileNotFoundError:
        where = shown_name(path, policy)
        raise RecordError(f"{where}: no such file; check the path") from None
    except OSError as error:
        where = shown_name(path, policy)
        expected = "check it" if policy.follows_links else "use a plain file"
        raise RecordError(f"{where}: cannot be read ({error.strerror}); {expected}") from None


def read_bytes(
    path: Path | str, max_bytes: int = MAX_DOCUMENT_BYTES, policy: Policy = OWN
) -> bytes:
    """Read a regular file of at most `max_bytes`. Raises RecordError as `open_plain`."""
    with open_plain(path, max_bytes, policy, buffering=0) as file:
        data = _all_of(file, max_bytes)
    if len(data) > max_bytes:  # It grew since it was opened.
        raise RecordError(f"{shown_name(path, policy)}: more than {max_bytes} bytes are not read")
    return data


def read_text(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES, policy: Policy = OWN) -> str:
    """Read a UTF-8 file. Raises RecordError as `open_plain` and `decode`."""
    return decode(read_bytes(path, max_bytes, policy), shown_name(path, policy))


def read_json(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES, policy: Policy = OWN) -> Any:
    """Read one JSON file. Raises RecordError as `open_plain`, `decode` and `parse_json`."""
    return parse_json(read_text(path, max_bytes, policy), shown_name(path, policy), policy)


def read_document(kind: type[D], path: Path) -> D:
    """Read and validate one document of our own. Raises RecordError as its parts do."""
    return parse_document(kind, read_json(path), str(path))


def _all_of(file: BinaryIO, max_bytes: int) -> bytes:
    """Return what is in a file up to its end, or one byte more than `max_bytes` of it."""
    first = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
    if not first or len(first) > max_bytes:
        return first
    parts, left = [first], max_bytes + 1 - len(first)
    while left and (more := file.read(left)):
        parts.append(more)
        left -= len(more)
    return b"".join(parts)


def shown_name(path: Path | str, policy: Policy) -> str:
    """Return how messages call a file."""
    return str(path) if policy.names_whole_path else Path(path).name


def decode(data: bytes, where: str) -> str:
    """Return bytes as text.

    Raises:
        RecordError: not UTF-8, or with a byte order mark before it.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    if text.startswith("\ufeff"):
        raise RecordError(f"{where}: starts with a byte order mark; save it without")
    return text


def parse_json(text: str, where: str, policy: Policy = OWN) -> Any:
    """Parse one JSON document.

    Args:
        text: the JSON text.
        where: what it was read from, for the message.
        policy: of a stranger's text, strings and numbers are checked too.

    Raises:
        RecordError: not JSON, a key twice in one object, NaN or Infinity, nested too deep, too many
            values or keys, or a string or number that a stranger may not write.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(items) > MAX_KEYS:
            raise RecordError(f"{where}: {len(items)} keys in one object; at most {MAX_KEYS}")
        found = dict(items)
        if len(found) != len(items):
            twice = _first_repeated(key for key, _ in items)
            raise RecordError(f"{where}: key {twice[:80]!r} occurs twice in one object; keep one")
        return found

    def constant(name: str) -> Any:
        raise RecordError(f"{where}: {name} is not a JSON number; write a finite number")

    refuse_too_many_values(text, where)
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except RecursionError:
        raise RecordError(f"{where}: nested too deep; at most {MAX_NESTING} levels") from None
    except ValueError as error:
        raise RecordError(f"{where}: not JSON ({error}); expected one JSON document") from None
    _check_depth(value, where)
    if policy.checks_values and not surely_harmless(text) and (fault := fault_of_value(value)):
        raise RecordError(f"{where}: {fault}")
    return value


def _first_repeated(keys: Iterable[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise ValueError("no key is repeated")


def refuse_too_many_values(text: str, where: str) -> None:
    """Count the values of a JSON text before anything is made of them.

    Raises:
        RecordError: there are more than `MAX_VALUES`.
    """
    # Counting commas and brackets inside strings too is fast, and enough for nearly all documents.
    if text.count(",") + text.count("[") + text.count("{") <= MAX_VALUES:
        return
    for count, _ in enumerate(NEXT_VALUE.finditer(text), 1):
        if count > MAX_VALUES:
            raise RecordError(f"{where}: more than {MAX_VALUES} values in one JSON document")


def _check_depth(value: Any, where: str) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_NESTING - 1):
        # What `json` parses is of these types and of no class derived from them.
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    if any(level):
        raise RecordError(f"{where}: nested too deep; at most {MAX_NESTING} levels")


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
