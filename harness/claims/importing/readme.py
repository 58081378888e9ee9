"""Claims of a README, read only where a line or a table can mean one thing.

What is ambiguous (two tables that differ, rows of several models) is left out and named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.boards.board import Board
from harness.claims.importing.score_tables import (
    FIGURE,
    Hints,
    bullet_row,
    choose_row,
    model_of,
    table_rows,
)
from harness.claims.importing.stated_settings import read_costs, read_settings
from harness.claims.record import ClaimedConfig, ClaimedCosts, Quote

TRAFFIC = re.compile(
    rf"comm(?:unication|\.)?[ \t]*(?:budget|costs?)[\s*:#|]{{0,12}}({FIGURE})[ \t]*"
    r"(MB|GB|MiB|GiB|Megabytes|Gigabytes)\b",
    re.IGNORECASE,
)


@dataclass
class Readme:
    """What a README states with certainty."""

    percents: dict[str, Quote] = field(default_factory=dict)
    average: Quote | None = None
    traffic: Quote | None = None
    costs: ClaimedCosts = field(default_factory=ClaimedCosts)
    settings: ClaimedConfig = field(default_factory=ClaimedConfig)


def read_readme(text: str, file: str, board: Board, hints: Hints, unread: list[str]) -> Readme:
    """Read the claims of one README for one board.

    Args:
        text: the whole README.
        file: its name, for quotes.
        board: whose sets to look for.
        hints: to choose among rows of several models or runs.
        unread: collects what is ambiguous.
    """
    found = Readme(costs=read_costs(text, file), settings=read_settings(text))
    row = choose_row(list(table_rows(text, board)), hints, file, unread)
    if row is None:
        row = bullet_row(text, board)
    if row is not None:
        found.percents = {task: Quote(text=v, unit="%", file=file) for task, v in row.percents}
        model = model_of(row.caption)
        if model is not None:
            found.settings = found.settings.with_values(model=model)
        found.average = (
            None if row.average is None else Quote(text=row.average, unit="%", file=file)
        )
    figures = {(m.group(1), m.group(2)) for m in TRAFFIC.finditer(text)}
    if row is not None and row.traffic is not None:
        match = re.fullmatch(rf"({FIGURE})\s*([A-Za-z]+)", row.traffic)
        figures = {(match.group(1), match.group(2))} if match else figures
    if len(figures) == 1:
        value, unit = figures.pop()
        found.traffic = Quote(text=value, unit=unit, file=file)
    elif figures:
        unread.append(f"{file}: {len(figures)} communication figures; which one is not certain")
    return found
