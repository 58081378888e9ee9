"""One form of a document: what a file says and what was read from it, value and type alike.

A reader that takes `"5"`, `5.0` or `true` where a number is meant would let one document have many
digests. The reader may be lenient; what it read is compared with the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, TypeVar

from harness.document.document import Document, canonical_json, parse_document
from harness.errors import RecordError

D = TypeVar("D", bound=Document)

ABSENT = object()
"""Stands for what one of two values has not."""

INDEX = re.compile(r"\[\d+\]", re.ASCII)


def differences(found: Any, whole: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, found, expected) of each value that is not the same in value and in type.

    Args:
        found: as it stands in a file.
        whole: as the document that was read from it is written.
    """
    pending: list[tuple[str, Any, Any]] = [("", found, whole)]
    while pending:
        place, one, other = pending.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            for key in one.keys() | other.keys():
                below = f"{place}.{key}" if place else str(key)
                pending.append((below, one.get(key, ABSENT), other.get(key, ABSENT)))
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            pending += [
                (f"{place}[{index}]", a, b)
                for index, (a, b) in enumerate(zip(one, other, strict=True))
            ]
        elif type(one) is not type(other) or one != other:
            yield place, one, other


def inexact(
    found: Any, whole: Any, forms: Collection[frozenset[str]] | None = ()
) -> Iterator[tuple[str, object, object]]:
    """Yield (place, found, expected) of what keeps a file from being the one form of its document.

    Args:
        found: as it stands in the file.
        whole: as the document that was read from it is written.
        forms: the sets of places that older files lack, all of a set or none; None: any may be
            lacking.
    """
    lacking: dict[str, str] = {}
    wrong = []
    for place, one, other in differences(found, whole):
        if one is ABSENT:
            lacking.setdefault(INDEX.sub("", place), place)
        else:
            wrong.append((place, one, "nothing: it is left out" if other is ABSENT else other))
    if lacking and forms is not None and frozenset(lacking) not in forms:
        wrong += [(place, "nothing", "a value") for place in lacking.values()]
    yield from sorted(wrong, key=lambda item: item[0])


def same_text(text: str, whole: Any, forms: Collection[frozenset[str]] = ()) -> bool:
    """Whether a value has a canonical JSON text, perhaps but for what an older form lacks.

    Args:
        text: of what stands in a file.
        whole: as the document that was read from it is written; pruned where a form lacks more.
        forms: as in `inexact`, each one holding the one before it.
    """
    if text == canonical_json(whole):
        return True
    for form in forms:
        for place in form:
            _prune(whole, place.split("."))
        if text == canonical_json(whole):
            return True
    return False


def _prune(value: Any, way: list[str]) -> None:
    """Take what stands at a place out of a value, in every item of the lists on the way."""
    if isinstance(value, list):
        for item in value:
            _prune(item, way)
    elif isinstance(value, dict) and way[0] in value:
        if len(way) == 1:
            del value[way[0]]
        else:
            _prune(value[way[0]], way[1:])


def parse_exactly(kind: type[D], value: Any, where: str) -> D:
    """Validate a stranger's value as a document that is written in its one form.

    Args:
        kind: of document.
        value: as it was parsed.
        where: what it was read from, for the message.

    Raises:
        RecordError: it is no such document, or a value of another type stands somewhere.
    """
    document = parse_document(kind, value, where)
    for place, found, expected in inexact(
        value, document.model_dump(mode="json", by_alias=True), None
    ):
        raise RecordError(f"{where}: {place} is {found!r:.60}; expected {expected!r:.60}")
    return document
