"""Generation files in which nothing is escaped but in outputs, read column by column.

Nearly all are such: then one expression reads a line, and where a file has the same rows as the one
of its name that was read before it, only what follows the row is looked at.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.document.reading import MAX_VALUES

MAX_LABELS = 10
MAX_OUTPUT = 20_000
"""Longest raw output in characters: 512 tokens are about 2,500."""

_TEXT = r'"([^"\\\x00-\x1f]{0,80})"'
_NUMBER = r"-(?:0|[1-9][0-9]*)\.[0-9]+(?:e-[0-9]+)?"
_NUMBERS = rf"\[({_NUMBER}(?:, {_NUMBER}){{0,{MAX_LABELS - 1}}})\]"
_ROW = rf'\{{"index": ([0-9]+), "row": {_TEXT}, "target": {_TEXT}, "label": '
_ANSWER = rf'{_TEXT}, "output": (null|"(?:[^"\\\x00-\x1f]|\\.)*")\}}'
_WEIGHED = rf'{_TEXT}, "loglikelihoods": {_NUMBERS}\}}'

LINE = re.compile(f"^{_ROW}{_ANSWER}$", re.MULTILINE)
"""A line as `generation_lines` writes it, of names in which nothing is escaped. No repetition has
two ways to match a character, so that it takes linear time."""
SECOND_LINE = re.compile(f"^{_ROW}{_WEIGHED}$", re.MULTILINE)
"""The same of the second measure; a number with more digits than it needs is found afterwards."""
ANSWER = re.compile(_ANSWER)
"""What follows `"label": ` in a line."""
SECOND_ANSWER = re.compile(f"^{_WEIGHED}$", re.MULTILINE)

BEGIN = '{{"index": {}, "row": "{}", "target": "{}", "label": '

Numbers = tuple[float, ...]


Kind = tuple[str, str, str | None]
"""(target, label, output) of a row."""

MOST_KINDS = 256
"""Kinds of rows that a byte can number."""


class Kinds(NamedTuple):
    """The rows of a file by kind: counting numbers of a byte is a hundredth of counting texts."""

    numbers: bytes
    """Of each row's kind, in the file's order."""
    kinds: dict[int, Kind]
    """Number -> what a row of it holds; every one occurs."""


class Columns(NamedTuple):
    """The columns of a file; of the last two the one that it has."""

    rows: tuple[str, ...]
    targets: tuple[str, ...]
    labels: tuple[str, ...]
    outputs: tuple[str | None, ...]
    loglikelihoods: tuple[Numbers, ...] | None


class Plain(NamedTuple):
    """What a file holds."""

    columns: Columns
    kinds: Kinds | None = None
    """None where rows were not numbered: at the first of a name, or with too many kinds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows that a file was of: every entry of a board has the same ones."""

    begins: tuple[str, ...]
    """Each line up to its label."""
    rows: tuple[str, ...]
    targets: tuple[str, ...]
    characters: int
    """Of all beginnings and of the line feeds."""
    target_numbers: bytes
    """Place in `known_targets` of each row's; empty where there are too many."""
    known_targets: tuple[str, ...]

    @classmethod
    def of(cls, begins: tuple[str, ...], rows: tuple[str, ...], targets: tuple[str, ...]) -> Asked:
        """Return the rows that a file was of; see the fields."""
        number = {target: n for n, target in enumerate(dict.fromkeys(targets))}
        numbers = b"" if len(number) > MOST_KINDS else bytes([number[each] for each in targets])
        characters = sum(map(len, begins)) + len(begins)
        return cls(begins, rows, targets, characters, numbers, tuple(number))

    def rests_of(self, text: str) -> list[str] | None:
        """Return what stands behind the beginning of each line; None of a file of other rows."""
        lines = text.split("\n")
        if len(lines) != len(self.begins) + 1 or lines.pop():
            return None
        rests = list(map(str.removeprefix, lines, self.begins))
        # A line of another row stays whole: then the rests are longer than they should be.
        return rests if sum(map(len, rests)) == len(text) - self.characters else None


LAST_ASKED: OrderedDict[str, Asked] = OrderedDict()
"""Name of a file -> the rows of the last one of this name. It spares the next file of these rows
most of its reading and decides nothing: what is not equal to the letter is read as if it were the
first."""
MAX_ASKED = 16
"""Names in it; a board has three to nine files."""
MAX_ASKED_ROWS = 20_000
"""Rows of a file that is remembered; official sets have up to 13,000."""


def parse_plain(text: str, name: str, second: bool) -> Plain | None:
    """Return what most files hold; None for one that must be read line by line.

    Strings of JSON without an escape are their own text, so that no line need be parsed.

    Args:
        text: of the file.
        name: by which the rows of the last one are known.
        second: whether it holds log-likelihoods.
    """
    asked = LAST_ASKED.get(name)
    rests = None if asked is None else asked.rests_of(text)
    if asked is not None and rests is not None:
        return _same_rows(asked, rests, second)
    found = (SECOND_LINE if second else LINE).findall(text)
    if not found or len(found) != text.count("\n") or not text.endswith("}\n"):
        return None
    indexes, rows, targets, labels, last = zip(*found, strict=True)
    if list(indexes) != list(map(str, range(len(indexes)))):
        return None
    if len(rows) <= MAX_ASKED_ROWS:
        begins = tuple(map(BEGIN.format, indexes, rows, targets))
        LAST_ASKED[name] = Asked.of(begins, rows, targets)
        LAST_ASKED.move_to_end(name)
        if len(LAST_ASKED) > MAX_ASKED:
            LAST_ASKED.popitem(last=False)
    if second:
        return _weighed(rows, targets, labels, last)
    known = {item: _output(item) for item in set(last)}
    if any(fault for _, fault in known.values()):
        return None
    return Plain(Columns(rows, targets, labels, tuple([known[item][0] for item in last]), None))


def _same_rows(asked: Asked, rests: list[str], second: bool) -> Plain | None:
    """Read what follows the rows; an answer in the same words is read once."""
    if second:
        found = SECOND_ANSWER.findall("\n".join(rests))
        if len(found) != len(rests):
            return None
        answers, last = zip(*found, strict=True)
        return _weighed(asked.rows, asked.targets, answers, last)
    number: dict[str, int] = {}
    labels: list[str] = []
    outputs: list[str | None] = []
    for rest in set(rests):
        match = ANSWER.fullmatch(rest)
        output, fault = (None, True) if match is None else _output(match[2])
        if match is None or fault:
            return None
        number[rest] = len(number)
        labels.append(match[1])
        outputs.append(output)
    numbers = list(map(number.__getitem__, rests))
    columns = Columns(
        asked.rows,
        asked.targets,
        tuple(map(labels.__getitem__, numbers)),
        tuple(map(outputs.__getitem__, numbers)),
        None,
    )
    return Plain(columns, _kinds(asked, numbers, labels, outputs))


def _kinds(
    asked: Asked, numbers: list[int], labels: list[str], outputs: list[str | None]
) -> Kinds | None:
    """Return the rows by number; None where a byte cannot number them.

    Args:
        asked: the rows.
        numbers: of each row's answer, a place in the next two.
        labels: of each answer.
        outputs: of each answer.
    """
    answers, targets = len(labels), asked.known_targets
    if not asked.target_numbers or answers * len(targets) > MOST_KINDS:
        return None
    # Of two targets and three answers, target 1 and answer 2 are 2 + 1 * 3 = 5. The sum of two
    # columns is the sum of two long numbers: no byte is beyond 255, so that none carries over.
    below = int.from_bytes(bytes(numbers))
    above = int.from_bytes(asked.target_numbers)
    both = (below + above * answers).to_bytes(len(numbers))
    kinds = {}
    for each in set(both):
        target, answer = divmod(each, answers)
        kinds[each] = (targets[target], labels[answer], outputs[answer])
    return Kinds(both, kinds)


def _weighed(
    rows: tuple[str, ...], targets: tuple[str, ...], labels: tuple[str, ...], last: Sequence[str]
) -> Plain | None:
    """Return the columns of a second measure; None where a number is not in its one form.

    Args:
        rows: their digests.
        targets: right answers.
        labels: answers.
        last: numbers of each row, with commas between.
    """
    # One call for all numbers and one back: equal texts rule out more digits than are needed.
    joined = "[[" + "], [".join(last) + "]]"
    if joined.count(",") > MAX_VALUES:
        return None
    values = json.loads(joined)
    if json.dumps(values) != joined or min(map(min, values)) <= -1e6:
        return None
    return Plain(Columns(rows, targets, labels, (None,) * len(rows), tuple(map(tuple, values))))


def _output(text: str) -> tuple[str | None, bool]:
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
