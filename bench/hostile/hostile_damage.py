"""Damage: JSON values and bytes as a careless or hostile stranger might send them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.0, -0.0, 1e-300, 1e300,
    "", " ", "0", "a" * 100_000, "\u202e", "\x00", "\x1b[31m", "\ud800",
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "../../../etc/passwd", "${jndi:ldap://x}",
    "%s%n", [], {}, [[]], {"a": {}},
    [None] * 1000,
)  # fmt: skip

RAW = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000, b"{" * 1000, b'{"a":NaN}',
    b'{"a":1,"a":2}', b"Infinity", b"1e999999", b"\x80\x04.", b"PK\x03\x04", b"null", b'"\\ud800"',
    b'{"schema":"flowertune-harness/result","schema_version":99}', b"-" * 5000, b"9" * 50_000,
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"a: &a [*a,*a]\n",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON value."""
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from places(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    """Replace the value at a path."""
    at(value, path[:-1])[path[-1]] = new


def damage_value(chance: random.Random, value: Any) -> Any:
    """Return a JSON value with one to four things replaced, removed, doubled or renamed."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(list(places(value)) or [()])
        if not path:
            return chance.choice(NASTY)
        owner = at(value, path[:-1])
        kind = chance.random()
        if kind < 0.6:
            owner[path[-1]] = copy.deepcopy(chance.choice(NASTY))
        elif kind < 0.75:
            del owner[path[-1]]
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(owner[path[-1]]))
        else:
            owner[chance.choice(["x", "", "schema", "\u202e", "__class__"])] = owner[path[-1]]
    return value


def damage_bytes(chance: random.Random, data: bytes) -> bytes:
    """Return bytes with a few of them changed, cut, doubled, or all replaced."""
    kind = chance.random()
    if kind < 0.2 or not data:
        return chance.choice(RAW)
    if kind < 0.4:
        return data[: chance.randrange(len(data))]
    if kind < 0.5:
        start = chance.randrange(len(data))
        return data[:start] + data[start : start + 500] * 3 + data[start:]
    changed = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)
