"""The columns of a board's page: their order, what they are called, which are shown at first.

The page and its script take them from here, so that what is written into the HTML and what the
script draws afterwards cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from harness.boards.board import Board
from harness.document import Document
from harness.leaderboard.columns import Ranked, capitalised, gib, is_open, millions, percent
from harness.leaderboard.entries.entry import Entry
from harness.record.ladder import LEVELS

Form = Literal["percent", "gib", "millions", "count", "hours", "level", "text"]

Value = str | float | int | bool | None

DIGITS = 12
"""Decimals of a fraction in the page's data. Of 6, one fraction in 400 would be shown as another
percentage than in the other tables: 1,202 of 2,388 is 50.33501 %, and 50.335 % is written 50.33."""


class Column(Document):
    """One column of a board's tables."""

    key: str
    label: str
    form: Form
    about: str = ""
    """What it says, where the label is not enough: the heading's title, a line below the tables."""
    best: Literal["high", "low", "text"] = "text"
    """What a first click on the heading brings to the top."""
    shown: bool = True
    """Whether it is shown before anybody chooses columns."""
    claims: bool = False
    """Whether the table of claims has it too."""


def columns_of(board: Board) -> list[Column]:
    """Return the columns after the entry's own, in their order."""
    second = board.second
    changes = Column(
        key="changes", label="Changes", form="text", about="What a run changes of the board's rules"
    )
    group = Column(
        key="group", label="Group", form="count", best="low",
        about="Entries are compared with the best of a group by a paired test over the rows"
        " that both answered (two-sided, 5 %). Those that cannot be told apart share the"
        " group, and what may not rank has none",
    )  # fmt: skip
    found = [
        changes if is_open(board) else group,
        Column(key="average", label="Average %", form="percent", best="high", claims=True,
               about="The plain mean of the sets, by which runs rank, ± half of its 95 % interval"),
        *(
            Column(key=f"s{index}", label=f"{item.heading} %", form="percent", best="high",
                   claims=True)
            for index, item in enumerate(board.sets)
        ),
        Column(key="clean", label="No leak %", form="percent", best="high",
               about="The average without evaluation rows whose text is in the training data"),
    ]  # fmt: skip
    if second is not None:
        label = f"{capitalised(second.heading)} %"
        found.append(
            Column(
                key="second",
                label=label,
                form="percent",
                best="high",
                about=f"A second measure beside the official one: {second.about}",
                shown=False,
            )
        )
    return [
        *found,
        Column(key="bytes", label="GiB", form="gib", best="low", claims=True,
               about="All train messages, both directions, in 2^30 bytes"),
        Column(key="parameters", label="Adapter M", form="millions", best="low",
               about="Trainable weights, millions"),
        Column(key="rounds", label="Rounds", form="count", best="low", claims=True),
        Column(key="level", label="Verified", form="level", best="high",
               about=f"{', '.join(LEVELS)}: each level is earned by a command that leaves its"
               " evidence. The entry's page says what to type"),
        Column(key="size", label="Base M", form="millions", best="low", shown=False,
               about="Weights of the base model, millions", claims=True),
        Column(key="family", label="Family", form="text", shown=False),
        Column(key="peft", label="Method", form="text", shown=False, claims=True),
        Column(key="strategy", label="Strategy", form="text", shown=False),
        Column(key="hours", label="Hours", form="hours", best="low", shown=False,
               about="All stages of the run, on its own machine"),
        Column(key="author", label="Author", form="text", shown=False),
        Column(key="licence", label="Licence", form="text", shown=False),
        Column(key="whose", label="Whose code", form="text", shown=False,
               about="declared where audited components and data alone made the run"),
        Column(key="isolation", label="Isolation", form="text", shown=False,
               about="What held the processes back that loaded plugin code"),
        Column(key="date", label="Date", form="text", best="high", claims=True, shown=False),
    ]  # fmt: skip


def values_of(item: Ranked, board: Board) -> dict[str, Value]:
    """Return what the page's data holds of one entry."""
    entry = item.entry
    return {
        "name": entry.name,
        "kind": entry.kind,
        "title": entry.title,
        "model": entry.model,
        **({"changes": entry.changes} if is_open(board) else {}),
        "about": entry.method if entry.kind == "reference" else "",
        "status": item.status,
        "low": _short(entry.low),
        "high": _short(entry.high),
        "warnings": sum(finding.severity == "warning" for finding in entry.findings),
        "group": item.group,
        "average": _short(entry.average),
        **{
            f"s{index}": _short(entry.scores[task].value) if task in entry.scores else None
            for index, task in enumerate(board.rows)
        },
        "clean": _short(entry.clean_average),
        "second": _short(entry.second_average),
        "bytes": entry.bytes_total,
        "parameters": entry.parameters,
        "rounds": entry.rounds,
        "level": LEVELS.index(entry.level) if entry.level in LEVELS else None,
        "rungs": sum(1 << LEVELS.index(level) for level in entry.rungs),
        "size": entry.base_parameters,
        "family": entry.family,
        "peft": entry.peft,
        "strategy": entry.strategy,
        "hours": None if entry.seconds is None else round(entry.seconds / 3600, 3),
        "author": entry.author,
        "people": entry.author_name,
        "licence": entry.licence,
        "whose": entry.whose_code,
        "isolation": entry.isolation,
        "date": (entry.submitted or entry.created)[:10],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def page_data(
    items: Iterable[Ranked],
    claims: Iterable[Ranked],
    board: Board,
    repository: str = "",
    submissions: str = "",
) -> dict[str, Any]:
    """Return everything that the page's script reads before an entry is opened.

    Args:
        items: runs and references, in the table's order.
        claims: what is shown apart.
        board: whose.
        repository: its address, where one is known.
        submissions: where the entries' files lie, as seen from the page; empty: nowhere.
    """
    rows = [values_of(item, board) for item in (*items, *claims)]
    fields = list(rows[0]) if rows else []
    return {
        "board": board.id,
        "repository": repository,
        "submissions": submissions,
        "title": board.title,
        "metric": board.metric,
        "limit_mib": board.limit_mib,
        "sets": [{"task": s.task, "title": s.heading, "rows": s.rows} for s in board.sets],
        "measures": [{"name": m.name, "heading": m.heading} for m in board.measures],
        "second": None if board.second is None else board.second.heading,
        "levels": LEVELS,
        "columns": [column.model_dump() for column in columns_of(board)],
        "fields": fields,
        "rows": [[row[field] for field in fields] for row in rows],
    }


def not_earned(entry: Entry) -> str:
    """Return which levels below the highest one nobody earned, as the page says it."""
    if not entry.rungs:
        return ""
    below = LEVELS[: LEVELS.index(entry.rungs[-1])]
    missing = [level for level in below if level not in entry.rungs]
    return f"not {' or '.join(missing)}" if missing else ""


def shown_value(column: Column, value: Value) -> str:
    """Return a value as the page writes it."""
    if value is None or value == "":
        return "–"
    if column.form == "text" or isinstance(value, str):
        return str(value)
    if column.form == "percent":
        return percent(value)
    if column.form == "gib":
        return gib(int(value))
    if column.form == "millions":
        return millions(int(value))
    if column.form == "level":
        return LEVELS[int(value)]
    return f"{value:.2f}" if column.form == "hours" else f"{value:,}"
