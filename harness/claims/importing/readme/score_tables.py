"""Scores in the tables of a README."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.boards.board import Board
from harness.claims.importing.readme.markdown import MARKS, tables
from harness.verify.independent.known_models import known_model

FIGURE = r"[0-9]{1,12}(?:\.[0-9]{1,20})?"
SCORE = rf"(?:{FIGURE}|[0-9]{{1,3}},[0-9]{{1,4}}(?![0-9]))"
"""A figure as a score is written; `68,23` has a decimal comma."""
VALUE = re.compile(
    rf"(?:[0-9]{{1,5}}[ \t]*/[ \t]*[0-9]{{1,5}}[ \t]*[(=][ \t]*"
    rf"|{SCORE}[ \t]*%?[ \t]*(?:→|[-=]>)[ \t]*)?({SCORE})[ \t]*%?[ \t]*\)?"
    rf"(?:[ \t]*(?:±|\+/-|pm)[ \t]*{SCORE}[ \t]*%?)?(?:[ \t]*\([^()]{{1,40}}\))?"
)
"""A score, marks taken away: `68.23 ± 1.34`, `68.23 (+23.68)`, `827/1212 (68.23 %)` and, of one
before and one after, the second: `44.55 → 68.23`."""
HUB_ID = re.compile(r"\[([\w.-]{1,80}/[\w.-]{1,80})\]")
AVERAGE = (
    "avg", "average", "mean", "overall", "durchschnitt", "moyenne", "media", "promedio",
    "macroavg", "macroaverage", "mmluaverage", "mmluavg", "averageaccuracy",
    "meanaccuracy", "overallaverage",
)  # fmt: skip
AVERAGE_ELSEWHERE = ("平均", "평균", "среднее")
OF_A_SCORE = re.compile(r"\b(?:accuracy|acc|scores?|pass@1)\b|%", re.IGNORECASE)
"""What a heading says beside its set: `FPB Acc (%)`."""
TRAFFIC = re.compile(r"(?:total)?comm(?:unications?)?(?:budget|costs?|overhead|total|volume)*")
"""What a column of communication is called, as `plain` has it."""


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
    beside: tuple[str, ...] = field(default=(), compare=False)
    """What its other columns say, `heading: cell`."""


def plain(text: str) -> str:
    """Return lower-case letters and digits of `text`, links reduced to their words.

    Accents are left out: `Média` is media.
    """
    words = re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", text)
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", words).lower())


def task_of(text: str, board: Board) -> str | None:
    """Return the evaluation set that a heading names, or None: `FiQA`, `FPB Acc (%)`, `Twitter
    Financial News (TFNS)`."""
    words = OF_A_SCORE.sub(" ", re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", text))
    said = {plain(part) for part in (words, *re.split("[()]", words))}
    tasks = [task for task, names in board.spellings.items() if said & {plain(task), *names}]
    return tasks[0] if len(tasks) == 1 else None


def is_average(text: str) -> bool:
    """Whether a heading names the mean of the sets."""
    said = plain(OF_A_SCORE.sub(" ", text))
    return said in AVERAGE or any(word in text.lower() for word in AVERAGE_ELSEWHERE)


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
            beside=tuple(
                MARKS.sub("", f"{title}: {cell}")
                for index, (title, cell) in enumerate(zip(header, cells, strict=True))
                if index > 0 and index not in columns
            ),
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
        if TRAFFIC.fullmatch(plain(name)):
            stated = MARKS.sub("", cell).strip()
            return f"{stated} {unit.strip(' )')}" if unit and stated[-1:].isdigit() else stated
    return None


def model_of(caption: str) -> str | None:
    """Return the model that the caption of a row names, or None."""
    named = HUB_ID.search(caption)
    if named is not None:
        return named.group(1)
    words = re.findall(r"[\w.-]{3,80}", caption)
    return next((word for word in words if known_model(word) is not None), None)
