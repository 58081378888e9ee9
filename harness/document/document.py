"""Documents: what is written to disk or sent to another process.

A document is a frozen pydantic model that refuses unknown fields, NaN and infinities. Its canonical
JSON (sorted keys, no spaces, UTF-8) has one digest, whoever computes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import RecordError

MAX_EXPLAINED = 1_000
"""Most problems of one document of which the first are explained. Pydantic can only describe all of
them at once, 1 kB each; a stranger's list of 500,000 wrong items would take 0.6 GB."""


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


def pretty_json(value: Any) -> str:
    """Return `value` as indented JSON with a final newline, keys in their given order."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_text(text: str) -> str:
    """Return the hex sha256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_document(kind: type[D], value: Any, where: str) -> D:
    """Validate a parsed value as a document of `kind`.

    Raises:
        RecordError: a field is missing, unknown or of a wrong type; the first three are named.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise RecordError(f"{where}: not a {kind.__name__}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """Return the first three problems of a validation error in one line."""
    if error.error_count() > MAX_EXPLAINED:
        return f"{error.error_count()} fields are missing, unknown or of a wrong type"
    found = problems(error)
    more = len(found) - 3
    return "; ".join(map(_in_one_line, found[:3])) + (f"; and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that a document cannot hold."""

    loc: tuple[int | str, ...]
    kind: str
    """As pydantic names it; `several` where a value may be of several types."""
    said: str
    """What is wrong, in plain words: `expected a whole number`."""
    found: Any


def problems(error: ValidationError) -> list[Problem]:
    """Return the problems of a validation error; one, where a value may be of several types."""
    found: list[Problem] = []
    for item in error.errors():
        loc, said = item["loc"], _plain(item["type"], item["msg"])
        of_several = len(loc) > 1 and loc[-1] in ("bool", "int", "float", "str")
        kind, loc = ("several", loc[:-1]) if of_several else (item["type"], loc)
        if of_several and found and found[-1].loc == loc:
            said = f"{found.pop().said} or {said.removeprefix('expected ')}"
        found.append(Problem(loc, kind, said, item["input"]))
    # A list counts its wrong items as missing: what is said of them says why it is too short.
    within = {item.loc[:depth] for item in found for depth in range(len(item.loc))}
    return [item for item in found if item.kind != "too_short" or item.loc not in within]


OUR_WORDS = {
    "extra_forbidden": "no such field",
    "missing": "missing",
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), "expected a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "expected a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "expected true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "expected a list"),
    **dict.fromkeys(("dict_type", "model_type"), "expected names with their values"),
    "string_type": "expected a text",
}
"""Kinds of problems that pydantic names in terms of its own, and what they are called here."""


OF_A_LENGTH = re.compile(r"^\w+ should have (at (?:least|most) \d+ \w+).*")
"""What pydantic says of a list or a text of another length than allowed."""


def _plain(kind: str, message: str) -> str:
    said = OUR_WORDS.get(kind, message.removeprefix("Value error, "))
    said = said.replace("Input should be ", "expected ", 1)
    return OF_A_LENGTH.sub(r"expected \1", said)


def _in_one_line(problem: Problem) -> str:
    of_several_fields = problem.kind == "value_error" and (
        not problem.loc or isinstance(problem.found, dict | BaseModel)
    )
    if not problem.loc and of_several_fields:
        return problem.said
    where = ".".join(str(part) for part in problem.loc) or "document"
    told = problem.kind == "missing" or of_several_fields
    return f"{where}: {problem.said}" + ("" if told else f" (found {_excerpt(problem.found)})")


def _excerpt(value: Any) -> str:
    # A container is cut before it becomes text: a whole record may be the input of one problem.
    if isinstance(value, dict):
        value = dict(list(value.items())[:10])
    elif isinstance(value, list | tuple):
        value = value[:10]
    return f"{str(value)[:60]!r}"
