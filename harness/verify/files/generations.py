"""Generation files of a submission: one line a row, with its digest, label and raw output.

The evaluation sets' licences do not let their text be passed on, so a line names its row by digest
instead of repeating the prompt (here broken in two):

    {"index": 0, "row": "c7bccea921e02071f8f5", "target": "neutral", "label": "neutral",
     "output": " neutral"}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import eq
from typing import Any

from harness.document.reading import decode, refuse_too_many_values
from harness.errors import RecordError
from harness.verify.files.plain_generations import (
    MAX_LABELS,
    MAX_OUTPUT,
    Kind,
    Kinds,
    parse_plain,
)

KEYS = ("index", "row", "target", "label", "output")
SECOND_KEYS = ("index", "row", "target", "label", "loglikelihoods")
"""Of `<task>.loglikelihood.jsonl`: one number a label, in the protocol's order of labels."""


BITS = bytes.maketrans(b"\0\1", b"01")


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
    kinds: Kinds | None = field(default=None, compare=False, repr=False)
    """The same rows by number, where the reader has numbered them."""

    @cached_property
    def counts(self) -> Mapping[Kind, int]:
        """How often each (target, label, output) occurs: most rows are answered in few words."""
        if self.kinds is not None:
            return {kind: self.kinds.numbers.count(n) for n, kind in self.kinds.kinds.items()}
        return Counter(zip(self.targets, self.labels, self.outputs, strict=True))

    @cached_property
    def pairs(self) -> Mapping[tuple[str, str], int]:
        """How often each (target, label) occurs."""
        found: Counter[tuple[str, str]] = Counter()
        for (target, label, _), count in self.counts.items():
            found[target, label] += count
        return found

    @property
    def answers(self) -> set[str]:
        """Every label that occurs."""
        return {label for _, label in self.pairs}

    @cached_property
    def bits(self) -> str:
        """`1` for each row whose label is its target, else `0`."""
        if self.kinds is not None:
            right = bytearray(b"0" * 256)
            for number, (target, label, _) in self.kinds.kinds.items():
                if target == label:
                    right[number] = ord("1")
            return self.kinds.numbers.translate(right).decode()
        return bytes(map(eq, self.labels, self.targets)).translate(BITS).decode()


def parse_generations(data: bytes, name: str) -> Generations:
    """Parse a generations file, which must be written exactly as `generation_lines` writes it.

    Raises:
        RecordError: not readable as one; the first wrong line is named.
    """
    text = decode(data, name)
    second = name.endswith(".loglikelihood.jsonl")
    plain = parse_plain(text, name, second)
    if plain is not None:
        return Generations(*plain.columns, kinds=plain.kinds)
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
        return f"output must be null or at most {MAX_OUTPUT:,} characters"
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
