"""Claims of a README, read only where a line or a table can mean one thing.

What is ambiguous (two tables that differ, rows of several models) is left out and named.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from harness.boards.board import Board
from harness.claims.importing.readme.chosen_row import Hints, choose_row, traffic_cells
from harness.claims.importing.readme.markdown import MARKS
from harness.claims.importing.readme.score_lists import list_rows
from harness.claims.importing.readme.score_tables import FIGURE, ScoreRow, model_of, table_rows
from harness.claims.importing.readme.stated_settings import FENCE, read_costs, readme_sources
from harness.claims.record import ClaimedConfig, ClaimedCosts, Quote, SettingsSource

UNIT = r"(bytes|[KMGT]i?B|Megabytes|Gigabytes)\b"
GROUPED = (
    r"[0-9]{1,3}(?: [0-9]{3}){1,3}(?:[.,][0-9]{1,12})?"
    r"|[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,12})?|[0-9]{1,3}(?:\.[0-9]{3}){1,3},[0-9]{1,12}"
    rf"|[0-9]{{1,12}},[0-9]{{1,2}}(?![0-9])|{FIGURE}"
)
"""A figure with its thousands set apart, or a decimal comma: 11,005.66 and 11.005,66 and 0,75."""
TRAFFIC = re.compile(
    r"(?:comm(?:unication|\.)?|kommunikation\w*|comunica(?:ción|ção)|communications?"
    r"|data[ \t]+(?:exchanged|sent|transferred)|通信(?:量|成本|开销)|통신(?:량| 비용)?)"
    r"[ \t]*(?:budget|costs?|overhead|volume)?(?:[ \t]*(?:used|total))?"
    rf"[\s:#|=~≈]{{0,12}}(?:used[ \t]+|(?<!budget )(?:is|was|were|of)[ \t]+"
    rf"|(?:the|our)[ \t]+total[ \t]+(?:is|was)[ \t]+)?"
    rf"(?:(?:about|around|approx\.|approximately|ca\.)[ \t]+)?({GROUPED})[ \t]*{UNIT}",
    re.IGNORECASE,
)
"""A figure of communication; Markdown's marks are taken away before."""

MOST_RUNS = 40
"""Runs of one project that are told apart in a README; the most seen are four."""


@dataclass
class Readme:
    """What a README states with certainty."""

    percents: dict[str, Quote] = field(default_factory=dict)
    average: Quote | None = None
    elsewhere: dict[str, tuple[Quote, ...]] = field(default_factory=dict)
    """Evaluation set -> other figures of it in other files."""
    traffic: Quote | None = None
    costs: ClaimedCosts = field(default_factory=ClaimedCosts)
    row_model: str | None = None
    """The model that the caption of the chosen row of scores names."""
    sources: tuple[SettingsSource, ...] = ()
    own: tuple[ClaimedConfig, ...] = ()
    """Settings out of a README that has a section of the run that is read, and of others."""

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
    found, row = read_scores(text, file, board, hints, unread)
    found.costs = read_costs(text, file)
    found.sources = tuple(readme_sources(text, file, unread))
    found.traffic = _traffic(text, row, hints, file, unread)
    return found


def read_scores(
    text: str, file: str, board: Board, hints: Hints, unread: list[str]
) -> tuple[Readme, ScoreRow | None]:
    """Return the scores that a text states, and the row that they stand in.

    Args:
        text: in the one form that is read.
        file: its name, for quotes.
        board: whose sets to look for.
        hints: to choose among rows of several models or runs.
        unread: collects what is ambiguous.
    """
    found = Readme()
    row = choose_row(list(table_rows(text, board)), hints, file, unread)
    for task, cell in row.unread if row is not None else ():
        unread.append(f"{file}: the figure of {task} is {cell[:40]!r}; expected percent")
    if row is None:
        row = choose_row(list_rows(text, board, file, unread), hints, file, unread)
    if row is not None:
        found.percents = {task: percent(value, row, file) for task, value in row.percents}
        found.row_model = model_of(row.caption)
        if row.average is not None:
            found.average = percent(row.average, row, file)
    return found, row


CALL = re.compile(
    r"(?:python3?|uv run|launch|torchrun)[ \t][^\n]{0,200}?(?:\b(?:eval|main)\.py|-m[ \t]+eval\b)"
    r"((?:[^\n`]|\\\n|\n(?=[ \t]*--)){0,4000})"
)
OPTION = re.compile(r"--([a-z][a-z0-9_-]{1,40})(?:=|[ \t]+)[\"']?([\w.,+-]{1,80})")


def unofficial_options(text: str, file: str, board: Board) -> Iterator[str]:
    """Yield a phrase for each option of an evaluation command that changes the official result.

    Args:
        text: of a README.
        file: its name, for the phrase.
        board: whose official options are compared.
    """
    seen = set()
    for call in CALL.finditer(text):
        for name, value in OPTION.findall(call.group(1)):
            option = name.replace("_", "-")
            official = board.command.get(option)
            if official is None or value in official or (option, value) in seen:
                continue
            seen.add((option, value))
            yield f"{file}: --{option}={value}, officially {' or '.join(official)}"


HEADING = re.compile(r"^(#{1,4})[ \t]", re.MULTILINE)


def part_of_run(text: str, run: str | None, runs: Collection[str]) -> tuple[str, bool]:
    """Return a README without the sections of other runs, and whether the run has its own.

    A section is a run's where it names that run and no other, at the highest level of headings at
    which this is so: below `### 10 rounds` and `### 100 rounds`, each with its settings and the
    name of its evaluation, stand two runs of one project.

    Args:
        text: the whole README.
        run: the name of its evaluation files, or None.
        runs: the names of all.
    """
    if run is None or len(runs) < 2:
        return text, False
    # A comment in a code block is no heading.
    prose = FENCE.sub(lambda block: " " * len(block[0]), text)
    headings = [(len(match[1]), match.start()) for match in HEADING.finditer(prose)]
    for level in range(1, 5):
        starts = [start for depth, start in headings if depth <= level]
        cuts = [0, *starts, len(text)]
        sections = [text[a:b] for a, b in itertools.pairwise(cuts)]
        named = [_runs_in(section, runs) for section in sections]
        if {run} in named and any(found and run not in found for found in named):
            kept = (
                s for s, found in zip(sections, named, strict=True) if not found or run in found
            )
            return "".join(kept), True
    return text, False


def _runs_in(text: str, runs: Collection[str]) -> set[str]:
    """Return the runs that a text names; `x_r10` stands in `x_r10_long` only where that is none."""
    places: list[tuple[int, int, str]] = []
    for run in sorted(runs)[:MOST_RUNS]:
        words = re.findall(r"[A-Za-z0-9]+", run)
        pattern = r"[\W_]{0,3}".join(words)
        if words:
            found = re.finditer(rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])", text)
            places += [(*match.span(), run) for match in found]
    return {
        run
        for begin, end, run in places
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for b, e, _ in places)
    }


def percent(value: str, row: ScoreRow, file: str) -> Quote:
    """Return a figure of a row in percent: 0.6823 of a row of fractions is 68.23.

    An average of 65.53 beside fractions is in percent as it stands.
    """
    if row.scale == 1 or float(value) > 1:
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
        return Quote(text=_ungrouped(value), unit=unit, file=file)
    if figures:
        unread.append(f"{file}: {len(figures)} communication figures; which one is not certain")
    return None


def _figures(cells: list[str]) -> list[tuple[str, str]]:
    matches = (re.fullmatch(rf"[~≈\s]*({GROUPED})\s*{UNIT}", cell, re.IGNORECASE) for cell in cells)
    return [(match.group(1), match.group(2)) for match in matches if match]


def _ungrouped(value: str) -> str:
    """Return a figure of `GROUPED` with a decimal point and nothing between its thousands."""
    value = value.replace(" ", "")
    decimal_comma = re.fullmatch(r"[0-9.]+,[0-9]{1,2}|[0-9.]+\.[0-9]{3},[0-9]+", value)
    if decimal_comma:
        return value.replace(".", "").replace(",", ".")
    return value.replace(",", "")
