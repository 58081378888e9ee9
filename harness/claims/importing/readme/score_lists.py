"""Scores in the lists, sentences and JSON of a README."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from difflib import get_close_matches

from harness.boards.board import Board
from harness.claims.importing.readme.markdown import MARKS, one_by_one
from harness.claims.importing.readme.score_tables import (
    SCORE,
    ScoreRow,
    is_average,
    plain,
    task_of,
)

BULLET = r"[ \t]*(?:(?:[-*+]|[0-9]{1,2}\.)[ \t]+)?"
LABELLED = re.compile(
    rf"^{BULLET}([^\W\d_][^:=|\n]{{0,60}}?)"
    rf"(?:(?:[ \t]*(?:[:=–—≈~→]|[-=]>)|[ \t]-|[ \t]{{2}}|\t)[ \t]*[~≈]?[ \t]*({SCORE})[ \t]*%?"
    rf"|[ \t]*\(({SCORE})[ \t]*%\))[ \t]*$"
)
"""One score on a line of its own: `- FiQA: 56.58 %` or `1. FiQA (56.58 %)`, marks taken away."""
ITS_OWN = ("acc", "accuracy", "finalaccuracy", "pass1", "result", "score", "testaccuracy", "value")
"""What a score is labelled that stands below the name of its set, as `plain` has it."""
ALONE = re.compile(rf"^{BULLET}({SCORE})[ \t]*%?[ \t]*$")
NAMED = re.compile(
    r"^[ \t#]*(?:[-*+][ \t]+)?(?:(?:benchmark|dataset|name|task|type)[ \t]*:[ \t]*)?"
    r"([^\W\d_][^:=|{\n]{0,60}?)[ \t]*:?[ \t]*\{?[ \t]*$",
    re.IGNORECASE,
)
"""A heading, a bullet or a key of YAML or JSON that may be the name of a set."""
OTHER_METRIC = re.compile(r"^[ \t]*(?:-[ \t]+)?type[ \t]*:[ \t]*(?!acc)\w+[ \t]*$", re.IGNORECASE)
"""In the `model-index` of a model card: what follows is no accuracy."""
IN_ONE_LINE = re.compile(
    rf"([A-Za-z][A-Za-z0-9 ()+./-]{{0,40}}?)"
    rf"(?:[ \t]*[:=–—][ \t]*|[ \t]+-[ \t]+|[ \t]{{2,}})({SCORE})"
)
WORDS = r"(?P<name>[A-Za-z][\w-]{1,30}(?:[ \t]+[A-Za-z][\w-]{1,30}){0,2})"
SENTENCES = (
    re.compile(
        rf"(?P<value>{SCORE})[ \t]*%[ \t]+"
        rf"(?:\(|(?:accuracy[ \t]+)?(?:on|for|in)[ \t]+(?:the[ \t]+)?){WORDS}"
    ),
    re.compile(
        rf"{WORDS}(?:[ \t]+(?:accuracy|score))?[ \t]*"
        rf"(?:\(|is[ \t]|was[ \t]|of[ \t]|at[ \t])?[ \t]*(?P<value>{SCORE})[ \t]*%"
    ),
)
"""`68.23 % on FPB` and `FPB accuracy is 68.23 %`; of the first that names two sets all are read."""
AVERAGE_IN_A_SENTENCE = re.compile(
    rf"\b(average|avg|mean)\b\.?(?:[ \t]+accuracy)?(?:[ \t]+(?:of|is|was))?[ \t]+({SCORE})[ \t]*%",
    re.IGNORECASE,
)
NEARLY = 0.8
"""Share of letters that a misspelt set has in common with its name, as difflib counts them."""


def list_rows(text: str, board: Board, file: str, unread: list[str]) -> list[ScoreRow]:
    """Return the figures of lists such as `- **FiQA**: 56.58 %`.

    A README in which each set stands once has one row; one in which a set has two figures has a row
    for each heading below which all sets, or all but one, stand.

    Args:
        text: a README.
        board: whose sets to look for.
        file: its name.
        unread: collects a label that is taken for a set, and a set with several figures.
    """
    whole, unclear = _list_row("", text, board, file, unread)
    if whole is not None or not unclear:
        return [] if whole is None else [whole]
    sections = re.split(r"^(?=#{1,6}[ \t])", text, flags=re.MULTILINE)
    rows = [_list_row(s.split("\n")[0].strip("# \t"), s, board, file, unread)[0] for s in sections]
    found = [row for row in rows if row and len(row.percents) >= max(2, len(board.rows) - 1)]
    if not found:
        unread.append(f"{file}: {unclear}; which one is not certain")
    return found


def _list_row(
    caption: str, text: str, board: Board, file: str, unread: list[str]
) -> tuple[ScoreRow | None, str]:
    """Return the row that the lists of a text state, or None and what stands in two ways.

    One line may hold all figures: `FPB: 68.23, FiQA: 60.86, TFNS: 67.50`. Where one set is missing
    and one label is nearly its name, `medcaqa` for medmcqa, it is taken for it, and that is said.

    Args:
        caption: of the row.
        text: a README or a section of it.
        board: whose sets to look for.
        file: its name.
        unread: collects a label that is taken for a set.
    """
    values: dict[str, str] = {}
    average: set[str] = set()
    others: dict[str, str] = {}
    for name, written in _labelled(text, board):
        task, value = task_of(name, board), written.replace(",", ".")
        if task is not None and values.get(task, value) != value:
            return None, f"{task} is {values[task]} and {value}"
        if task is not None:
            values[task] = value
        elif is_average(name):
            average.add(value)
        else:
            others[plain(name)] = value
    if not values:
        return None, ""
    missing = [task for task in board.rows if task not in values]
    if len(missing) == 1 and len(values) > 1:
        near = get_close_matches(missing[0], others, cutoff=NEARLY)
        if len(near) == 1:
            values[missing[0]] = others[near[0]]
            unread.append(f"{file}: {near[0]!r} is taken for {missing[0]}, which is not there")
    mean = average.pop() if len(average) == 1 else None
    return ScoreRow(caption, tuple(values.items()), mean, None), ""


def _labelled(text: str, board: Board) -> Iterator[tuple[str, str]]:
    """Yield (label, figure) of each score that may be of a set, or the average.

    A score may stand below its set: `Accuracy: 68.23` below `### FPB`.
    """
    names: list[str] = []  # Above this line and below the last heading, perhaps of sets.
    for line in _lines(text):
        own, labelled = ALONE.match(line), LABELLED.match(line)
        if own or (labelled and plain(labelled[1]) in ITS_OWN):
            above = next((name for name in reversed(names) if _is_scored(name, board)), None)
            value = own[1] if own else labelled and (labelled[2] or labelled[3])
            if above is not None and value:
                yield above, value
        elif several := list(_several(line, board)):
            yield from several
        elif labelled:
            yield labelled[1], labelled[2] or labelled[3]
        else:
            if line.lstrip().startswith("#") or OTHER_METRIC.match(line):
                names = []
            if named := NAMED.match(line):
                names = [*names[-9:], named[1]]


def _lines(text: str) -> Iterator[str]:
    for raw in text.split("\n"):
        if len(raw) <= 2000 and not raw.lstrip().startswith("|"):
            yield from one_by_one(MARKS.sub("", raw).replace('"', "").rstrip(" \t,"))


def _is_scored(name: str, board: Board) -> bool:
    return task_of(name, board) is not None or is_average(name)


def _several(line: str, board: Board) -> Iterator[tuple[str, str]]:
    """Yield what a line says of two sets or more."""
    if not re.search(r"[0-9]", line):
        return
    pairs = IN_ONE_LINE.findall(line)
    if _sets(pairs, board) >= 2:
        yield from pairs
    for sentence in SENTENCES:
        said = [(_set_in(m["name"], board), m["value"]) for m in sentence.finditer(line)]
        if _sets(said, board) >= 2:
            yield from said
            yield from AVERAGE_IN_A_SENTENCE.findall(line)
            return


def _set_in(said: str, board: Board) -> str:
    """Return the words that name a set, of up to three: `MMLU STEM` of `while MMLU STEM`."""
    words = said.split()
    spans = sorted(itertools.combinations(range(len(words) + 1), 2), key=lambda s: s[0] - s[1])
    named = (" ".join(words[first:last]) for first, last in spans)
    return next((name for name in named if task_of(name, board) is not None), said)


def _sets(pairs: list[tuple[str, str]], board: Board) -> int:
    return sum(task_of(name, board) is not None for name, _ in pairs)
