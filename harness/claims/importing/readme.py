"""Claims of a README, read only where a line or a table can mean one thing.

What is ambiguous (two tables that differ, rows of several models) is left out and named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from harness.boards.board import Board
from harness.claims.importing.score_tables import (
    FIGURE,
    MARKS,
    Hints,
    ScoreRow,
    choose_row,
    list_row,
    model_of,
    table_rows,
    traffic_cells,
    with_unit,
)
from harness.claims.importing.stated_settings import read_costs, readme_sources
from harness.claims.record import ClaimedConfig, ClaimedCosts, Quote, SettingsSource

UNIT = r"(MB|GB|MiB|GiB|Megabytes|Gigabytes)\b"
THOUSANDS = r"[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,12})?"
TRAFFIC = re.compile(
    r"comm(?:unication|\.)?[ \t]*(?:budget|costs?|overhead|volume)?(?:[ \t]*(?:used|total))?"
    rf"[\s:#|=~]{{0,12}}({FIGURE}|{THOUSANDS})[ \t]*{UNIT}",
    re.IGNORECASE,
)
"""A figure of communication; Markdown's marks are taken away before."""


@dataclass
class Readme:
    """What a README states with certainty."""

    percents: dict[str, Quote] = field(default_factory=dict)
    average: Quote | None = None
    traffic: Quote | None = None
    costs: ClaimedCosts = field(default_factory=ClaimedCosts)
    row_model: str | None = None
    """The model that the caption of the chosen row of scores names."""
    sources: tuple[SettingsSource, ...] = ()

    @property
    def settings(self) -> ClaimedConfig:
        """What its lists state, with the model of the chosen row."""
        first = next((s.values for s in self.sources if "(" not in s.where), ClaimedConfig())
        return first if self.row_model is None else first.with_values(model=self.row_model)


def read_readme(text: str, file: str, board: Board, hints: Hints, unread: list[str]) -> Readme:
    """Read the claims of one README for one board.

    Args:
        text: the whole README.
        file: its name, for quotes.
        board: whose sets to look for.
        hints: to choose among rows of several models or runs.
        unread: collects what is ambiguous.
    """
    found = Readme(costs=read_costs(text, file), sources=tuple(readme_sources(text, file, unread)))
    row = choose_row(list(table_rows(text, board)), hints, file, unread)
    if row is None:
        listed = list_row(text, board)
        row = None if listed is None else with_unit(listed, hints)
    if row is not None:
        found.percents = {task: percent(value, row, file) for task, value in row.percents}
        found.row_model = model_of(row.caption)
        if row.average is not None:
            found.average = percent(row.average, row, file)
    found.traffic = _traffic(text, row, hints, file, unread)
    return found


def percent(value: str, row: ScoreRow, file: str) -> Quote:
    """Return a figure of a row in percent: 0.6823 of a row of fractions is 68.23."""
    if row.scale == 1:
        return Quote(text=value, unit="%", file=file)
    return Quote(text=f"{Decimal(value).scaleb(2):f}", unit="%", file=file, written=value)


def _traffic(
    text: str, row: ScoreRow | None, hints: Hints, file: str, unread: list[str]
) -> Quote | None:
    lines = (line for line in text.split("\n") if not line.lstrip().startswith("|"))
    figures = {(m.group(1), m.group(2)) for m in TRAFFIC.finditer(MARKS.sub("", "\n".join(lines)))}
    if row is not None and row.traffic is not None:
        figures = set(_figures([row.traffic])) or figures
    elif not figures:
        figures = set(_figures(traffic_cells(text, hints)))
    if len(figures) == 1:
        value, unit = figures.pop()
        return Quote(text=value.replace(",", ""), unit=unit, file=file)
    if figures:
        unread.append(f"{file}: {len(figures)} communication figures; which one is not certain")
    return None


def _figures(cells: list[str]) -> list[tuple[str, str]]:
    matches = (re.fullmatch(rf"({FIGURE})\s*{UNIT}", cell, re.IGNORECASE) for cell in cells)
    return [(match.group(1), match.group(2)) for match in matches if match]
