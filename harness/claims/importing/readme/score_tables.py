"""Scores in a README: rows of tables and lists, and which of several rows is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from harness.boards.board import Board
from harness.claims.importing.readme.markdown import MARKS, tables
from harness.verify.independent.known_models import known_model

FIGURE = r"[0-9]{1,12}(?:\.[0-9]{1,20})?"
SCORE = rf"(?:{FIGURE}|[0-9]{{1,3}},[0-9]{{1,4}}(?![0-9]))"
"""A figure as a score is written; `68,23` has a decimal comma."""
VALUE = re.compile(
    rf"(?:[0-9]{{1,5}}[ \t]*/[ \t]*[0-9]{{1,5}}[ \t]*[(=][ \t]*)?({SCORE})[ \t]*%?[ \t]*\)?"
    rf"(?:[ \t]*(?:±|\+/-)[ \t]*{SCORE}[ \t]*%?)?(?:[ \t]*\([^()]{{1,40}}\))?"
)
"""A score, marks taken away: `68.23 ± 1.34`, `68.23 (+23.68)`, `827/1212 (68.23 %)`."""
LABELLED = re.compile(
    rf"^[ \t]*(?:(?:[-*+]|[0-9]{{1,2}}\.)[ \t]+)?([A-Za-z][^:=|\n]{{0,60}}?)"
    rf"(?:(?:[ \t]*[:=–—]|[ \t]-)[ \t]*({SCORE})[ \t]*%?|[ \t]*\(({SCORE})[ \t]*%\))[ \t]*$"
)
"""One score on a line of its own: `- FiQA: 56.58 %` or `1. FiQA (56.58 %)`, marks taken away."""
IN_ONE_LINE = re.compile(rf"([A-Za-z][A-Za-z0-9 ()+./-]{{0,40}}?)[ \t]*[:=][ \t]*({SCORE})")
IN_A_SENTENCE = re.compile(
    rf"({SCORE})[ \t]*%[ \t]+(?:\(|(?:accuracy[ \t]+)?(?:on|for|in)[ \t]+(?:the[ \t]+)?)"
    r"([A-Za-z][\w-]{1,30})"
)
AVERAGE_IN_A_SENTENCE = re.compile(rf"\b(average|mean)(?:[ \t]+of)?[ \t]+({SCORE})[ \t]*%")
HUB_ID = re.compile(r"\[([\w.-]{1,80}/[\w.-]{1,80})\]")
AVERAGE = ("avg", "average", "mean", "overall", "durchschnitt", "moyenne", "media", "promedio")
OF_A_SCORE = re.compile(r"\b(?:accuracy|acc|scores?|pass@1)\b|%", re.IGNORECASE)
"""What a heading says beside its set: `FPB Acc (%)`."""
TRAFFIC = (
    "commcosts",
    "commcost",
    "comm",
    "communication",
    "communicationbudget",
    "communicationcost",
)


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
    """Return the evaluation set that a heading names, or None: `FiQA`, `FPB Acc (%)`, `Twitter
    Financial News (TFNS)`."""
    words = OF_A_SCORE.sub(" ", re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", text))
    said = {plain(part) for part in (words, *re.split("[()]", words))}
    tasks = [task for task, names in board.spellings.items() if said & {plain(task), *names}]
    return tasks[0] if len(tasks) == 1 else None


def is_average(text: str) -> bool:
    """Whether a heading names the mean of the sets."""
    return plain(OF_A_SCORE.sub(" ", text)) in AVERAGE or "平均" in text


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
        values = {task: _number(cells[index]) for index, task in columns.items()}
        figures = tuple((task, value) for task, value in values.items() if value is not None)
        if not figures or _counts(figures) or OF_ROWS.search(plain(cells[0])):
            continue
        yield ScoreRow(
            caption=cells[0],
            percents=figures,
            average=_average(header, cells),
            traffic=_traffic_cell(header, cells),
            unread=tuple((task, cells[i]) for i, task in columns.items() if values[task] is None),
        )


OF_ROWS = re.compile(r"gain|delta|difference|improvement|change")
"""What a column of figures that are no scores is called, as `plain` has it."""


def _counts(figures: tuple[tuple[str, str], ...]) -> bool:
    """Whether figures are numbers of rows: whole, and beyond what percent can be."""
    return all(text.isdigit() for _, text in figures) and any(int(t) > 100 for _, t in figures)


def _number(cell: str) -> str | None:
    match = VALUE.fullmatch(re.sub(r"[$\\]", "", MARKS.sub("", cell)).strip())
    return match.group(1).replace(",", ".") if match else None


def _average(header: list[str], cells: list[str]) -> str | None:
    means = (c for title, c in zip(header, cells, strict=True) if is_average(title))
    return next(map(_number, means), None)


def _traffic_cell(header: list[str], cells: list[str]) -> str | None:
    """Return a row's cell of communication, with the unit that its heading says: `Comm. (MB)`."""
    for title, cell in zip(header, cells, strict=True):
        name, _, unit = title.partition("(")
        if plain(name) in TRAFFIC:
            stated = MARKS.sub("", cell).strip()
            return f"{stated} {unit.strip(' )')}" if unit and stated[-1:].isdigit() else stated
    return None


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
    if whole is not None:
        return [whole]
    sections = re.split(r"^(?=#{1,6}[ \t])", text, flags=re.MULTILINE)
    rows = [_list_row(s.split("\n")[0].strip("# \t"), s, board, file, unread)[0] for s in sections]
    found = [row for row in rows if row and len(row.percents) >= max(2, len(board.rows) - 1)]
    if unclear and not found:
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
    for raw in text.split("\n"):
        if len(raw) > 2000 or raw.lstrip().startswith("|"):
            continue
        line = MARKS.sub("", raw)
        whole = LABELLED.match(line)
        if whole:
            yield whole.group(1), whole.group(2) or whole.group(3)
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
