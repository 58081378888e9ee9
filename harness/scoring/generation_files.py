"""Generations files: upstream's two forms and ours, read line by line with the line in every error.

- finance: JSON lines with `context`, `new_target`, `new_out`;
- ours: the same plus `row`, `target`, `output` (raw text), `ended`;
- medical and general-nlp: one JSON array with `prompt`, `gold`, `output`, and perhaps `subset`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.document import parse_json, read_text
from harness.errors import EvaluationError, RecordError

MAX_LINES = 100_000
"""Longest file that is read; the largest published set has 5,621 rows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of a finance generations file."""

    line: int
    """From 1, for messages."""
    context: str
    target: str
    predicted: str
    """The label as the file states it."""
    output: str | None
    """Raw text after the prompt's marker; None where the file keeps none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of a medical or general-nlp generations file."""

    line: int
    """Place in the array, from 1."""
    prompt: str
    gold: str
    output: str
    subset: str | None


def read_answers(path: Path) -> list[Answer]:
    """Read a finance generations file, upstream's or ours.

    Raises:
        RecordError: missing, too large, not UTF-8, or a line is not JSON.
        EvaluationError: empty, or a line lacks a field or holds a wrong one; the line is named.
    """
    answers = []
    for line, value in _values(path):
        where = f"{path}: line {line}"
        if "prompt" in value and "context" not in value:
            raise EvaluationError(
                f"{where}: has `prompt`, `gold`, `output`: a medical or general-nlp file;"
                " expected `context`, `new_target`, `new_out`; name its own task"
            )
        answers.append(
            Answer(
                line=line,
                context=_text(value, "context", where),
                target=_text(value, "new_target", where),
                predicted=_text(value, "new_out", where),
                output=_text(value, "output", where) if "output" in value else None,
            )
        )
    if not answers:
        raise EvaluationError(f"{path}: no rows; expected a generations file")
    return answers


def read_choices(path: Path) -> list[Choice]:
    """Read a medical or general-nlp generations file.

    Raises:
        RecordError: missing, too large, not UTF-8, or not JSON.
        EvaluationError: empty, or a row lacks a field or holds a wrong one; the row is named.
    """
    choices = []
    for line, value in _values(path):
        where = f"{path}: row {line}"
        if "context" in value and "prompt" not in value:
            raise EvaluationError(
                f"{where}: has `context`: a finance file; expected `prompt`, `gold`, `output`;"
                " score it as fpb, fiqa or tfns"
            )
        choices.append(
            Choice(
                line=line,
                prompt=_text(value, "prompt", where),
                gold=_text(value, "gold", where),
                output=_text(value, "output", where),
                subset=_text(value, "subset", where) if "subset" in value else None,
            )
        )
    if not choices:
        raise EvaluationError(f"{path}: no rows; expected a generations file")
    return choices


def _values(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line or place from 1, object) of a file of JSON lines or of one JSON array."""
    text = read_text(path)
    if text.lstrip()[:1] == "[":
        pairs: Iterator[tuple[int, Any]] = enumerate(parse_json(text, str(path)), 1)
        name = "row"
    else:
        lines = text.split("\n")
        pairs = (
            (number, parse_json(line, f"{path}: line {number}"))
            for number, line in enumerate(lines, 1)
            if line.strip()
        )
        name = "line"
    for number, value in pairs:
        if number > MAX_LINES:
            raise RecordError(f"{path}: more than {MAX_LINES} rows; no evaluation set is that long")
        if not isinstance(value, dict):
            kind = type(value).__name__
            raise EvaluationError(f"{path}: {name} {number}: a JSON {kind}; expected an object")
        yield number, value


def _text(value: dict[str, Any], key: str, where: str) -> str:
    if key not in value:
        raise EvaluationError(f"{where}: no `{key}`; found {', '.join(map(repr, value))[:120]}")
    text = value[key]
    if not isinstance(text, str):
        raise EvaluationError(f"{where}: `{key}` is {text!r:.40}; expected a text")
    return text
