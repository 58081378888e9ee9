"""Generation files of a submission: one line a row, with its digest, label and raw output.

The evaluation sets' licences do not let their text be passed on, so a line names its row by digest
instead of repeating the prompt (here broken in two):

    {"index": 0, "row": "c7bccea921e02071f8f5", "target": "neutral", "label": "neutral",
     "output": " neutral"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import eq
from typing import Any

from harness.document.reading import MAX_VALUES, decode, refuse_too_many_values
from harness.errors import RecordError

KEYS = ("index", "row", "target", "label", "output")
SECOND_KEYS = ("index", "row", "target", "label", "loglikelihoods")
"""Of `<task>.loglikelihood.jsonl`: one number a label, in the protocol's order of labels."""
MAX_LABELS = 10
MAX_OUTPUT = 20_000
"""Longest raw output in characters: 512 tokens are about 2,500."""


_TEXT = r'"([^"\\\x00-\x1f]{0,80})"'
_NUMBER = r"-(?:0|[1-9][0-9]*)\.[0-9]+(?:e-[0-9]+)?"
_BEGIN = rf'^\{{"index": ([0-9]+), "row": {_TEXT}, "target": {_TEXT}, "label": {_TEXT}, '
PLAIN_LINE = re.compile(_BEGIN + r'"output": (null|"(?:[^"\\\x00-\x1f]|\\.)*")\}$', re.MULTILINE)
"""A line as `generation_lines` writes it, of names in which nothing is escaped. No repetition has
two ways to match a character, so that it takes linear time."""
PLAIN_SECOND = re.compile(
    _BEGIN + rf'"loglikelihoods": \[({_NUMBER}(?:, {_NUMBER}){{0,{MAX_LABELS - 1}}})\]\}}$',
    re.MULTILINE,
)
"""The same of the second measure; a number with more digits than it needs is found afterwards."""


@dataclass(frozen=True)
class Generations:
    """One parsed generations file, column by column, rows in file order."""

    rows: tuple[str, ...]
    """Digest of each row; `harness.boards.rows.row_digest`."""
    targets: tuple[str, ...]
    labels: tuple[str, ...]
    outputs: tuple[str | None, ...]
    """Raw continuation of the prompt; None where the source kept labels only."""
    loglikelihoods: tuple[tuple[float, ...], ...] | None = None
    """Of each label, by row; None for generated text."""

    prompts: tuple[str, ...] | None = None
    """What each row asked, where the file is a run directory's; no submission holds any."""

    @cached_property
    def bits(self) -> str:
        """`1` for each row whose label is its target, else `0`."""
        return "".join(map("01".__getitem__, map(eq, self.labels, self.targets)))


def parse_generations(data: bytes, name: str) -> Generations:
    """Parse a generations file, which must be written exactly as `generation_lines` writes it.

    Raises:
        RecordError: not readable as one; the first wrong line is named.
    """
    text = decode(data, name)
    second = name.endswith(".loglikelihood.jsonl")
    plain = _parse_plain(text, second)
    if plain is not None:
        return plain
    lines = text.split("\n")
    if lines.pop() or not lines:
        raise RecordError(f"{name}: expected one line a row, each ended by a newline")
    # One call for all lines and one back: equal texts rule out repeated keys and odd spellings.
    joined = "[" + ", ".join(lines) + "]"
    refuse_too_many_values(joined, name)
    try:
        values: Any = json.loads(joined)
        canonical = json.dumps(values, ensure_ascii=False) == joined
    except (ValueError, RecursionError):
        canonical = False
    if not canonical or len(values) != len(lines):
        raise RecordError(f"{name} {_first_odd_line(lines)}")
    for index, value in enumerate(values):
        fault = _fault(value, index, second)
        if fault:
            raise RecordError(f"{name} line {index + 1}: {fault}")
    rows, targets, labels, last = (
        tuple(value[key] for value in values) for key in tuple(values[0])[1:]
    )
    if SECOND_KEYS[-1] in values[0]:
        return Generations(
            rows, targets, labels, (None,) * len(rows), tuple(tuple(item) for item in last)
        )
    return Generations(rows, targets, labels, last)


def _parse_plain(text: str, second: bool) -> Generations | None:
    """Return what most files hold, column by column; None for one that must be read line by line.

    Strings of JSON without an escape are their own text, so that no line need be parsed.
    """
    found = (PLAIN_SECOND if second else PLAIN_LINE).findall(text)
    if not found or len(found) != text.count("\n") or not text.endswith("}\n"):
        return None
    indexes, rows, targets, labels, last = zip(*found, strict=True)
    if list(indexes) != list(map(str, range(len(indexes)))):
        return None
    if not second:
        known = {item: _plain_output(item) for item in set(last)}
        if any(fault for _, fault in known.values()):
            return None
        return Generations(rows, targets, labels, tuple([known[item][0] for item in last]))
    # One call for all numbers and one back: equal texts rule out more digits than are needed.
    joined = "[[" + "], [".join(last) + "]]"
    if joined.count(",") > MAX_VALUES:
        return None
    values = json.loads(joined)
    if json.dumps(values) != joined or min(map(min, values)) <= -1e6:
        return None
    return Generations(rows, targets, labels, (None,) * len(rows), tuple(map(tuple, values)))


def _plain_output(text: str) -> tuple[str | None, bool]:
    """Return an output from its JSON, and whether it is not written in its one form."""
    if text == "null":
        return None, False
    if "\\" not in text:
        return text[1:-1], len(text) > MAX_OUTPUT + 2
    try:
        value: str = json.loads(text)
    except ValueError:
        return None, True
    return value, len(value) > MAX_OUTPUT or json.dumps(value, ensure_ascii=False) != text


def _first_odd_line(lines: list[str]) -> str:
    for number, line in enumerate(lines, 1):
        try:
            if json.dumps(json.loads(line), ensure_ascii=False) != line:
                return f"line {number}: not in the canonical form; write it as harness submit does"
        except (ValueError, RecursionError):
            return f"line {number}: not JSON; expected one object a line"
    return "lines: not one object a line"


def _fault(value: Any, index: int, second: bool) -> str | None:
    keys = SECOND_KEYS if second else KEYS
    if not isinstance(value, dict) or tuple(value) != keys:
        return f"expected an object of {', '.join(keys)}, in this order"
    found, row, target, label, output = value.values()
    if type(found) is not int or found != index:
        return f"index {found!r:.40}; expected {index}"
    for item in (row, target, label):
        if type(item) is not str or len(item) > 80:
            return "row, target and label must be short strings"
    if second:
        whole = isinstance(output, list) and 0 < len(output) <= MAX_LABELS
        if not whole or not all(type(x) is float and -1e6 < x <= 0 for x in output):
            return "loglikelihoods must be a list of numbers up to 0, one a label"
        output = None
    if output is not None and (type(output) is not str or len(output) > MAX_OUTPUT):
        return f"output must be null or at most {MAX_OUTPUT} characters"
    return None


def generation_lines(rows: Iterable[tuple[str, str, str, Any]], second: bool = False) -> str:
    """Return the text of a generations file from (row, target, label, output).

    Args:
        rows: one tuple a row, in order.
        second: whether the last of a tuple are loglikelihoods instead of a text.
    """
    keys = SECOND_KEYS if second else KEYS
    lines = [
        json.dumps(dict(zip(keys, (index, *row), strict=True)), ensure_ascii=False) + "\n"
        for index, row in enumerate(rows)
    ]
    return "".join(lines)
