"""Lists and tables of a record, edited as one edits a file: each is found, and no rule breaks."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission
from pydantic import ValidationError

from harness.document import canonical_json, sha256_text

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_breaches import BY_ID, of

Way = tuple[str | int, ...]

EDITS: dict[str, Callable[[Any], Any]] = {
    "emptied": lambda part: type(part)(),
    "cut": lambda part: part[:-1] if isinstance(part, list) else dict([*part.items()][:-1]),
    "doubled": lambda part: [*part, part[-1]] if isinstance(part, list) else part,
    "turned": lambda part: part[::-1] if isinstance(part, list) else part,
}


def parts(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Yield each list and table with its place, of the items of a list the last one alone."""
    if isinstance(value, dict | list) and value:
        yield way, value
        items = value.items() if isinstance(value, dict) else [*enumerate(value)][-1:]
        for key, item in items:
            yield from parts(item, (*way, key))


def named(way: Way) -> str:
    return ".".join("*" if isinstance(part, int) else part for part in way)


def forged(way: Way, new: Any) -> dict[str, Any]:
    """Return the clean record with a part exchanged, and the digests over it made to fit."""
    files = Submission()
    part: Any = files.record
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = new
    if way[0] == "spec":
        files.record["spec_digest"] = sha256_text(canonical_json(files.record["spec"]))
        files.rename()
    if way[0] == "federation":
        files.rechain()
    return files.record


CASES = [
    (way, edit, edited)
    for way, part in parts(Submission().record)
    for edit, change in EDITS.items()
    if way and (edited := change(copy.deepcopy(part))) != part
]


@pytest.mark.parametrize("edit", EDITS)
def test_no_list_and_no_table_of_a_record_can_be_edited_unseen(edit: str) -> None:
    unseen = set()
    for way, _, new in (case for case in CASES if case[1] == edit):
        try:
            submission = of(lambda record, way=way, new=new: record.update(forged(way, new)))
        except (ValidationError, TypeError, LookupError):
            continue  # no record: the reader says so
        # Each rule is asked: none may break by what another one finds.
        if not [found for rule in BY_ID.values() for found in rule.findings(submission)]:
            unseen.add(named(way))
    assert not unseen
