"""Generations files as upstream's scripts and this harness write them.

An error names the place in the file. There are two forms:

- lines: JSON lines with `context`, `new_target`, `new_out`; ours hold `output`, the raw text, too;
  those of a submission have `row`, `target`, `label`, `output`, for prompts are not passed on;
- arrays: one JSON array with `prompt`, `gold`, `output`, and perhaps `subset`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.boards.protocol import PublishedRow
from harness.document import parse_json
from harness.errors import EvaluationError, RecordError

MAX_ROWS = 100_000
"""Longest file that is read; the largest published set has 5,621 rows."""


def parse_lines(text: str, name: str) -> list[PublishedRow]:
    """Parse the text of a generations file of JSON lines, upstream's or ours.

    Raises:
        RecordError: a line is not JSON.
        EvaluationError: empty, or a line lacks a field or holds a wrong one; the line is named.
    """
    rows = []
    for place, value in _values(text, name):
        where = f"{name}: {place}"
        if "prompt" in value and "context" not in value:
            raise EvaluationError(
                f"{where}: has `prompt`, `gold`, `output`; expected `context`, `new_target`,"
                " `new_out`: name the task that the file is of"
            )
        if "row" in value and "context" not in value:
            rows.append(_submitted(value, place, where))
            continue
        rows.append(
            PublishedRow(
                where=place,
                prompt=_text(value, "context", where),
                target=_text(value, "new_target", where),
                stated=_text(value, "new_out", where),
                output=_text(value, "output", where) if "output" in value else None,
                subset=_text(value, "subset", where) if "subset" in value else None,
            )
        )
    return _filled(rows, name)


def is_lines(text: str) -> bool:
    """Whether a text is lines as this harness writes them, in a run or a submission."""
    return text.lstrip()[:1] == "{" and ('"new_out"' in text or '"label"' in text)


def _submitted(value: dict[str, Any], place: str, where: str) -> PublishedRow:
    """Return a row of a submission's file; a second measure has no text to read."""
    if "loglikelihoods" in value:
        raise EvaluationError(
            f"{where}: log-likelihoods; name the file without .loglikelihood, whose texts are read"
        )
    return PublishedRow(
        where=place,
        prompt="",
        target=_text(value, "target", where),
        stated=_text(value, "label", where),
        output=None if value.get("output", "") is None else _text(value, "output", where),
        row=_text(value, "row", where),
    )


def parse_array(text: str, name: str) -> list[PublishedRow]:
    """Parse the text of a generations file that is one JSON array.

    Raises:
        RecordError: not JSON.
        EvaluationError: empty, or a row lacks a field or holds a wrong one; the row is named.
    """
    rows = []
    for place, value in _values(text, name):
        where = f"{name}: {place}"
        if "context" in value and "prompt" not in value:
            raise EvaluationError(
                f"{where}: has `context`, `new_target`, `new_out`; expected `prompt`, `gold`,"
                " `output`: name the task that the file is of"
            )
        rows.append(
            PublishedRow(
                where=place,
                prompt=_text(value, "prompt", where),
                target=_text(value, "gold", where),
                stated=None,
                output=_text(value, "output", where),
                subset=_text(value, "subset", where) if "subset" in value else None,
            )
        )
    return _filled(rows, name)


def _filled(rows: list[PublishedRow], name: str) -> list[PublishedRow]:
    if not rows:
        raise EvaluationError(f"{name}: no rows; expected a generations file")
    return rows


def _values(text: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (`line 3` or `row 3`, object) of a file of JSON lines or of one JSON array."""
    if text.lstrip()[:1] == "[":
        pairs: Iterator[tuple[int, Any]] = enumerate(parse_json(text, where), 1)
        name = "row"
    else:
        pairs = (
            (number, parse_json(line, f"{where}: line {number}"))
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        )
        name = "line"
    for number, value in pairs:
        if number > MAX_ROWS:
            raise RecordError(
                f"{where}: more than {MAX_ROWS:,} rows; no evaluation set is that long"
            )
        if not isinstance(value, dict):
            kind = type(value).__name__
            raise EvaluationError(f"{where}: {name} {number}: a JSON {kind}; expected an object")
        yield f"{name} {number}", value


def _text(value: dict[str, Any], key: str, where: str) -> str:
    if key not in value:
        raise EvaluationError(f"{where}: no `{key}`; found {', '.join(map(repr, value))[:120]}")
    text = value[key]
    if not isinstance(text, str):
        raise EvaluationError(f"{where}: `{key}` is {text!r:.40}; expected a text")
    return text
