"""What a recipe's templates and patterns may hold: format strings over the columns of a row."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from harness.recipe import DataSpec, Prompt

COLUMNS = ("instruction", "input", "output")
"""Columns of a row of the training set."""

Fault = tuple[str, str]
"""(found, expected)"""


def prompt_faults(prompt: Prompt) -> Iterator[Fault]:
    """Yield why nothing, or the wrong tokens, would be trained on with this prompt."""
    if prompt.style == "chat":
        yield from _fields("prompt.user", prompt.user, {"instruction", "input"})
        return
    count = prompt.template.count(prompt.response_marker) if prompt.response_marker else 0
    if count != 1:
        yield (
            f"prompt.response_marker {prompt.response_marker!r} occurs {count} times in"
            " prompt.template",
            "exactly once, before {output}; else no label or the wrong ones would train",
        )
        return
    bad = list(_fields("prompt.template", prompt.template, set(COLUMNS)))
    yield from bad
    head, _, tail = prompt.template.partition(prompt.response_marker)
    if not bad and (_names(tail) != {"output"} or "output" in _names(head)):
        yield (
            "prompt.template does not hold {output}, and nothing else of the row, after its marker",
            "the answer follows the marker",
        )


def data_faults(data: DataSpec) -> Iterator[Fault]:
    """Yield why rows could not be rewritten or filtered."""
    for column in COLUMNS:
        yield from _fields(f"data.{column}", getattr(data, column), set(COLUMNS))
    for item in data.filters:
        try:
            re.compile(item.pattern)
        except re.error as error:
            yield f"data.filters: {item.pattern!r}: {error}", "a Python regular expression"


def _fields(where: str, template: str, allowed: set[str]) -> Iterator[Fault]:
    expected = f"a format string over {', '.join(sorted(allowed))}; a brace is written twice"
    try:
        unknown = _names(template) - allowed
        # A format such as {input:d} fails on a text only when it is used.
        template.format_map(dict.fromkeys(allowed, "x") | dict.fromkeys(unknown, "x"))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        yield f"{where}: {error}", expected
        return
    if unknown:
        yield f"{where} names {', '.join(sorted(unknown)) or 'a field without a name'}", expected


def _names(template: str) -> set[str]:
    parsed = string.Formatter().parse(template)
    return {name for _, name, _, _ in parsed if name is not None}
