"""Scores in a README: rows of tables and lists, and which of several rows is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.boards.board import Board
from harness.verify.independent.known_models import known_model

FIGURE = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
BULLET = re.compile(
    rf"^[ \t]*[-*][ \t]+\**([A-Za-z][^:*\n]{{0,60}})\**[ \t]*:[ \t]*\**[ \t]*({FIGURE})[ \t]*%?"
    r"[ \t]*\**[ \t]*$",
    re.MULTILINE,
)
HUB_ID = re.compile(r"\[([\w.-]{1,80}/[\w.-]{1,80})\]")


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of scores: the sets' figures, and perhaps average and communication."""

    caption: str
    """The first cell of a table's row, with its link; "" for a list, which has none."""
    percents: tuple[tuple[str, str], ...]
    average: str | None
    traffic: str | None


@dataclass(frozen=True, slots=True)
class Hints:
    """What tells one row of scores from another."""

    model: str | None = None
    """Hub id of the model that the project's configuration names."""
    run: str | None = None
    """Name of the run that the user asked for."""
    fractions: tuple[tuple[str, str], ...] = ()
    """(evaluation set, fraction) as the project's accuracy files state it."""


def plain(text: str) -> str:
    """Return lower-case letters and digits of `text`, links reduced to their words."""
    words = re.sub(r"\[([^\]]{0,200})\]\([^)]{0,400}\)", r"\1", text)
    return re.sub(r"[^a-z0-9]", "", words.lower())


def task_of(text: str, board: Board) -> str | None:
    """Return the evaluation set that a heading names, or None."""
    name = plain(text)
    return next((task for task, names in board.spellings.items() if name in names), None)


def table_rows(text: str, board: Board) -> Iterator[ScoreRow]:
    """Yield the rows of every Markdown table whose header names all sets of the board, or all but
    one (a set was added in 2025)."""
    header: list[str] | None = None
    for line in text.split("\n"):
        if not line.lstrip().startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
            continue
        if all(re.fullmatch(r"[\s:-]*", cell) for cell in cells):
            continue
        columns = {
            index: task for index, cell in enumerate(header) if (task := task_of(cell, board))
        }
        if len(set(columns.values())) < max(2, len(board.rows) - 1) or len(cells) != len(header):
            continue
        values = {task: _number(cells[index]) for index, task in columns.items()}
        if any(value is None for value in values.values()):
            continue
        yield ScoreRow(
            caption=cells[0],
            percents=tuple((task, str(value)) for task, value in values.items()),
            average=_column(header, cells, ("avg", "average")),
            traffic=_raw_column(header, cells, ("commcosts", "commcost", "comm", "communication")),
        )


def _number(cell: str) -> str | None:
    match = re.fullmatch(rf"[*\s]*({FIGURE})\s*%?[*\s]*", cell)
    return match.group(1) if match else None


def _column(header: list[str], cells: list[str], names: tuple[str, ...]) -> str | None:
    raw = _raw_column(header, cells, names)
    return None if raw is None else _number(raw)


def _raw_column(header: list[str], cells: list[str], names: tuple[str, ...]) -> str | None:
    for title, cell in zip(header, cells, strict=True):
        if plain(title) in names:
            return cell.strip("* ")
    return None


def bullet_row(text: str, board: Board) -> ScoreRow | None:
    """Return the figures of a list such as `- **FiQA**: 56.58 %`, each set named once."""
    values: dict[str, str] = {}
    average: list[str] = []
    for match in BULLET.finditer(text):
        name, value = match.group(1), match.group(2)
        task = task_of(name, board)
        if task is not None and values.get(task, value) != value:
            return None  # Two figures for one set: which one is not certain.
        if task is not None:
            values[task] = value
        elif plain(name) in ("average", "avg"):
            average.append(value)
    if not values:
        return None
    one = average[0] if len(set(average)) == 1 else None
    return ScoreRow("", tuple(values.items()), one, None)


def model_of(caption: str) -> str | None:
    """Return the model that the caption of a row names, or None."""
    named = HUB_ID.search(caption)
    if named is not None:
        return named.group(1)
    words = re.findall(r"[\w.-]{3,80}", caption)
    return next((word for word in words if known_model(word) is not None), None)


def choose_row(rows: list[ScoreRow], hints: Hints, file: str, unread: list[str]) -> ScoreRow | None:
    """Return the only row, or the one that the hints single out; None when neither is certain.

    Args:
        rows: of all tables of a README; equal ones count once.
        hints: what is known of the run from the project's other files.
        file: name of the README, for the message.
        unread: collects that no row could be chosen.
    """
    # A README compares its run with others:
    #
    #     | [Qwen/Qwen2.5-0.5B]           | 71.12 | 60.53 | 69.01 |
    #     | [HuggingFaceTB/SmolLM2-360M]  | 66.01 | 56.58 | 64.11 |
    #     | SmolLM2-360M (100 rounds)     | 65.02 | 55.26 | 63.90 |
    #
    # With the hint `model` alone two rows name SmolLM2-360M, so none is chosen. An accuracy file of
    # fiqa that says 0.5657894736842105 singles out the second: 56.58 is within 0.0101 of 56.5789.
    # The run's name is asked first, because the user typed it; the model last, because a table may
    # well hold several runs of one model. A test that fits two rows decides nothing.
    distinct = list(dict.fromkeys(rows))
    if len(distinct) <= 1:
        return distinct[0] if distinct else None
    run, model = plain(hints.run or ""), plain((hints.model or "").rsplit("/", 1)[-1])
    tests: tuple[Callable[[ScoreRow], bool], ...] = (
        lambda row: any(run.endswith(name) for name in _caption_names(row.caption)),
        lambda row: _agrees(row, hints),
        lambda row: bool(model) and model in _caption_names(row.caption),
    )
    for test in tests:
        named = [row for row in distinct if test(row)]
        if len(named) == 1:
            return named[0]
    unread.append(f"{file}: {len(distinct)} rows of scores; which one is not certain")
    return None


def _agrees(row: ScoreRow, hints: Hints) -> bool:
    """Whether every figure of a row is that of an accuracy file, within its last decimal."""
    shares = dict(hints.fractions)
    return bool(shares) and all(
        task in shares and abs(float(value) - 100 * float(shares[task])) < 0.0101
        for task, value in row.percents
    )


def _caption_names(caption: str) -> set[str]:
    words = re.sub(r"\[([^\]]{0,200})\]\([^)]{0,400}\)", r"\1", caption)
    parts = {part for word in words.split() for part in (word, word.rsplit("/", 1)[-1])}
    # A bare count in brackets, "(200Rounds)", names no model.
    return {plain(part) for part in parts if len(plain(part)) >= 4 and "ound" not in part}
