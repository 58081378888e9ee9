"""TOML: strangers' is parsed within bounds or refused in one sentence; ours is written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from harness.document.document import Document, explain
from harness.document.plain_values import why_not_plain
from harness.document.reading import read_text
from harness.document.units import MIB
from harness.errors import RecordError, UsageError

MAX_TOML_BYTES = MIB
"""Of a file that a user writes: a recipe, a sweep, a replication."""
MAX_KEY_PARTS = 64
"""Longest dotted key: each part is a table within a table."""
TOKEN = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[ \t]+|.", re.DOTALL)

D = TypeVar("D", bound=Document)


def read_users_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file of the user's holds.

    Raises:
        UsageError: no such file, too large, or no TOML.
    """
    try:
        return parse_toml(read_text(path, MAX_TOML_BYTES), str(path))
    except RecordError as error:
        raise UsageError(str(error)) from None


def read_toml_document(kind: type[D], path: Path) -> D:
    """Return the document that a TOML file of the user's is, its tables in the file's order.

    Raises:
        UsageError: as `read_users_toml`, or a value that no such document has; the key is named.
    """
    table = read_users_toml(path)
    if problem := why_not_plain(table):
        raise UsageError(f"{path}: {problem}")
    try:
        return kind.model_validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error)}") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Raises:
        RecordError: it is no TOML, or a key of it has more than 64 parts.
    """
    refuse_long_keys(text, where)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # TOMLDecodeError is a ValueError; so is an integer of more digits than Python converts.
        raise RecordError(f"{where}: not TOML ({str(error)[:80]})") from None


def refuse_long_keys(text: str, where: str) -> None:
    """Refuse a dotted key that would become tables within tables without end.

    Raises:
        RecordError: more than 64 parts joined by dots.
    """
    parts, after_dot = 0, False
    for match in TOKEN.finditer(text):
        token = match.group()
        if token.isspace() and token != "\n":
            continue
        if token == ".":
            after_dot = parts > 0
        elif token[0].isalnum() or token[0] in "_-\"'":
            parts, after_dot = (parts + 1 if after_dot else 1), False
            if parts > MAX_KEY_PARTS:
                raise RecordError(
                    f"{where}: a key of more than {MAX_KEY_PARTS} parts joined by dots; the"
                    " template's longest, train.training-arguments.max-steps, has three"
                )
        else:
            parts, after_dot = 0, False


def write_toml(tree: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return a tree of plain values as TOML, with comments where they are given.

    Args:
        tree: tables, lists, texts and numbers; None is left out, since TOML has none.
        comments: dotted path of a value, of a table or of a value that is not there -> the line
            above it, without the mark.
    """
    return "\n".join(_table(tree, (), comments or {})).strip() + "\n"


def _table(
    tree: Mapping[str, Any], path: tuple[str, ...], comments: Mapping[str, str]
) -> Iterator[str]:
    tables = {key: value for key, value in tree.items() if isinstance(value, Mapping) and value}
    for key, value in tree.items():
        if key not in tables and value is not None:
            yield from _comment((*path, key), comments)
            yield f"{_key(key)} = {toml_value(value)}"
    depth, prefix = len(path) + 1, "".join(f"{part}." for part in path)
    for name in comments:  # What is not there is said where it would stand.
        if (
            name.startswith(prefix)
            and name.count(".") == depth - 1
            and name[len(prefix) :] not in tree
        ):
            yield from _comment(tuple(name.split(".")), comments)
    for key, value in tables.items():
        yield ""
        yield from _comment((*path, key), comments)
        yield f"[{'.'.join(map(_key, (*path, key)))}]"
        yield from _table(value, (*path, key), comments)


def _comment(path: tuple[str, ...], comments: Mapping[str, str]) -> Iterator[str]:
    text = comments.get(".".join(path))
    if text is not None:
        yield f"# {' '.join(text.split())}"


def _key(key: str) -> str:
    return (
        key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else tomli_w.dumps({key: 0})[: -len(" = 0\n")]
    )


def toml_value(value: Any) -> str:
    """Return one value as TOML writes it on one line; a table becomes an inline one."""
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{_key(k)} = {toml_value(v)}" for k, v in value.items() if v is not None
        )
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"x": value})[len("x = ") : -1]
