"""Scores in a README: rows of tables, and lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby

from harness.boards.board import Board
from harness.verify.independent.known_models import known_model

FIGURE = r"[0-9]{1,12}(?:\.[0-9]{1,20})?"
VALUE = re.compile(
    rf"({FIGURE}|[0-9]{{1,3}},[0-9]{{1,2}})[ \t]*%?(?:[ \t]*(?:±|\+/-)[ \t]*{FIGURE}[ \t]*%?)?"
)
"""A score, once the marks of bold type and code are taken away; `68,23` has a decimal comma."""
LABELLED = re.compile(
    rf"^[ \t]*(?:[-*+][ \t]+)?([A-Za-z][^:=|\n]{{0,60}}?)(?:[ \t]*[:=–—]|[ \t]-)[ \t]*"
    rf"({FIGURE})[ \t]*%?[ \t]*$"
)
"""One score on a line of its own: `- FiQA: 56.58 %`, marks taken away."""
IN_ONE_LINE = re.compile(rf"([A-Za-z][A-Za-z0-9 ()+./-]{{0,40}}?)[ \t]*[:=][ \t]*({FIGURE})")
IN_A_SENTENCE = re.compile(
    rf"({FIGURE})[ \t]*%[ \t]+(?:accuracy[ \t]+)?(?:on|for|in)[ \t]+(?:the[ \t]+)?"
    r"([A-Za-z][\w-]{1,30})"
)
AVERAGE_IN_A_SENTENCE = re.compile(rf"\b(average|mean)(?:[ \t]+of)?[ \t]+({FIGURE})[ \t]*%")
HUB_ID = re.compile(r"\[([\w.-]{1,80}/[\w.-]{1,80})\]")
AVERAGE = ("avg", "average", "mean", "averageaccuracy", "avgaccuracy", "overall")
TRAFFIC = (
    "commcosts",
    "commcost",
    "comm",
    "communication",
    "communicationbudget",
    "communicationcost",
)
MARKS = re.compile(r"\*{1,3}|`|~~|(?<![A-Za-z0-9])__?|__?(?![A-Za-z0-9])")
"""Marks of bold type, italics and code in Markdown; an underscore inside a name is none."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of scores: the sets' figures, and perhaps average and communication."""

    caption: str
    """The first cell of a table's row, with its link; "" for a list, which has none."""
    percents: tuple[tuple[str, str], ...]
    average: str | None
    traffic: str | None
    scale: float = 1.0
    """What a figure is multiplied with to be percent: 100 where figures are fractions."""
    unread: tuple[tuple[str, str], ...] = ()
    """(evaluation set, its cell) where that is no figure."""


def plain(text: str) -> str:
    """Return lower-case letters and digits of `text`, links reduced to their words."""
    words = re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", text)
    return re.sub(r"[^a-z0-9]", "", words.lower())


def task_of(text: str, board: Board) -> str | None:
    """Return the evaluation set that a heading names, or None."""
    name = plain(text)
    return next((task for task, names in board.spellings.items() if name in names), None)


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield every Markdown table as rows of cells, the heading first, without its rule."""
    lines = text.split("\n")
    for is_table, block in groupby(lines, key=lambda line: line.lstrip().startswith("|")):
        if not is_table:
            continue
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block]
        yield [row for row in rows if not all(re.fullmatch(r"[\s:-]*", cell) for cell in row)]


def table_rows(text: str, board: Board) -> Iterator[ScoreRow]:
    """Yield the rows of scores in every table, whichever way it lies.

    A table counts when one of its edges names all sets of the board, or all but one: a set was
    added to some boards later.

        | model | FPB | FiQA |        | set  | ours | theirs |
        | ours  | 68  | 61   |        | FPB  | 68   | 70     |
        | theirs| 70  | 60   |        | FiQA | 61   | 60     |
    """
    for table in tables(text):
        if len(table) < 2:
            continue
        yield from _rows_below(table, board)
        width = len(table[0])
        if all(len(row) == width for row in table):
            yield from _rows_below([list(column) for column in zip(*table, strict=True)], board)


def _rows_below(table: list[list[str]], board: Board) -> Iterator[ScoreRow]:
    header = table[0]
    columns = {index: task for index, cell in enumerate(header) if (task := task_of(cell, board))}
    if len(columns) != len(set(columns.values())):
        return
    if len(columns) < max(2, len(board.rows) - 1):
        return
    for cells in table[1:]:
        if len(cells) != len(header):
            continue
        values = {task: _number(cells[index]) for index, task in columns.items()}
        figures = tuple((task, value) for task, value in values.items() if value is not None)
        if not figures:
            continue
        yield ScoreRow(
            caption=cells[0],
            percents=figures,
            average=_average(header, cells),
            traffic=_cell(header, cells, TRAFFIC),
            unread=tuple((task, cells[i]) for i, task in columns.items() if values[task] is None),
        )


def _number(cell: str) -> str | None:
    match = VALUE.fullmatch(MARKS.sub("", cell).strip())
    return match.group(1).replace(",", ".") if match else None


def _average(header: list[str], cells: list[str]) -> str | None:
    raw = _cell(header, cells, AVERAGE)
    return None if raw is None else _number(raw)


def _cell(header: list[str], cells: list[str], names: tuple[str, ...]) -> str | None:
    for title, cell in zip(header, cells, strict=True):
        if plain(title) in names:
            return MARKS.sub("", cell).strip()
    return None


NEARLY = 0.8
"""Share of letters that a misspelt set has in common with its name, as difflib counts them."""


def list_row(text: str, board: Board, file: str, unread: list[str]) -> ScoreRow | None:
    """Return the figures of a list such as `- **FiQA**: 56.58 %`, each set named once.

    One line may hold them all: `FPB: 68.23, FiQA: 60.86, TFNS: 67.50`. Where one set is missing
    and one label is nearly its name, `medcaqa` for medmcqa, it is taken for it, and that is said.

    Args:
        text: a README.
        board: whose sets to look for.
        file: its name.
        unread: collects a label that is taken for a set.
    """
    values: dict[str, str] = {}
    average: set[str] = set()
    others: dict[str, str] = {}
    for name, value in _labelled(text, board):
        task = task_of(name, board)
        if task is not None and values.get(task, value) != value:
            return None  # Two figures for one set: which one is not certain.
        if task is not None:
            values[task] = value
        elif plain(name) in AVERAGE:
            average.add(value)
        else:
            others[plain(name)] = value
    if not values:
        return None
    missing = [task for task in board.rows if task not in values]
    if len(missing) == 1 and len(values) > 1:
        near = get_close_matches(missing[0], others, cutoff=NEARLY)
        if len(near) == 1:
            values[missing[0]] = others[near[0]]
            unread.append(f"{file}: {near[0]!r} is taken for {missing[0]}, which is not there")
    return ScoreRow("", tuple(values.items()), average.pop() if len(average) == 1 else None, None)


def _labelled(text: str, board: Board) -> Iterator[tuple[str, str]]:
    for raw in text.split("\n"):
        if len(raw) > 2000 or raw.lstrip().startswith("|"):
            continue
        line = MARKS.sub("", raw)
        whole = LABELLED.match(line)
        if whole:
            yield whole.group(1), whole.group(2)
            continue
        pairs = IN_ONE_LINE.findall(line)
        if sum(task_of(name, board) is not None for name, _ in pairs) >= 2:
            yield from pairs
        said = [(name, value) for value, name in IN_A_SENTENCE.findall(line)]
        if sum(task_of(name, board) is not None for name, _ in said) >= 2:
            yield from said
            yield from AVERAGE_IN_A_SENTENCE.findall(line)


def model_of(caption: str) -> str | None:
    """Return the model that the caption of a row names, or None."""
    named = HUB_ID.search(caption)
    if named is not None:
        return named.group(1)
    words = re.findall(r"[\w.-]{3,80}", caption)
    return next((word for word in words if known_model(word) is not None), None)
