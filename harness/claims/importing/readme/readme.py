"""Claims of a README, read only where a line or a table can mean one thing.

What is ambiguous (two tables that differ, rows of several models) is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from harness.boards.board import Board
from harness.claims.importing.readme.chosen_row import Hints, choose_row, traffic_cells
from harness.claims.importing.readme.costs import read_costs
from harness.claims.importing.readme.labels import pairs_in
from harness.claims.importing.readme.markdown import MARKS
from harness.claims.importing.readme.score_lists import list_rows
from harness.claims.importing.readme.score_tables import FIGURE, ScoreRow, model_of, table_rows
from harness.claims.importing.readme.sections import without_other_work
from harness.claims.importing.readme.stated_settings import readme_sources
from harness.claims.record import ClaimedConfig, ClaimedCosts, Quote, SettingsSource

UNIT = r"(bytes|[KMGT]i?B|[KMGT]o|Megabytes|Gigabytes)\b"
OF_A_PART = r"(?![ \t]*(?:/|per\b|each\b|an?\b|every\b))"
"""Not of a whole run: `500 MB per round`."""
GROUPED = (
    r"[0-9]{1,3}(?: [0-9]{3}){1,3}(?:[.,][0-9]{1,12})?"
    r"|[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,12})?|[0-9]{1,3}(?:\.[0-9]{3}){1,3},[0-9]{1,12}"
    rf"|[0-9]{{1,12}},[0-9]{{1,2}}(?![0-9])|{FIGURE}"
)
"""A figure with its thousands set apart, or a decimal comma: 11,005.66 and 11.005,66 and 0,75."""
TRAFFIC = re.compile(
    r"(?:comm(?:unication|\.)?|kommunikation\w*|comunica(?:ción|ção)|communications?"
    r"|(?:network[ \t]+)?(?:bandwidth|traffic)|data[ \t]+(?:exchanged|sent|transferred)"
    r"|通信(?:量|成本|开销)|통신(?:량| 비용)?)"
    r"[ \t]*(?:budget|costs?|overhead|volume)?(?:[ \t]*(?:used|total))?"
    rf"[\s:#|=~≈]{{0,12}}(?:used[ \t]+|(?<!budget )(?:is|was|were|of)[ \t]+"
    rf"|(?:the|our)[ \t]+total[ \t]+(?:is|was)[ \t]+)?"
    rf"(?:(?:about|around|approx\.|approximately|ca\.)[ \t]+)?({GROUPED})[ \t]*{UNIT}{OF_A_PART}",
    re.IGNORECASE,
)
"""A figure of communication; Markdown's marks are taken away before."""
OF_LIMIT = re.compile(
    r"(?:,|\()?[ \t]*\b(?:budget|limit|max(?:imum)?)(?:[ \t]*[:=]|[ \t]+is|[ \t]+of)?[ \t]*"
    rf"200[,. ]?000[ \t]*{UNIT}[,;)]?"
    r"|(?<=[0-9])(?P<unit>[ \t]*[KMGT]i?B)?[ \t]*(?:/|(?:out )?of)[ \t]*(?:the[ \t]+)?"
    r"200[,. ]?000\b",
    re.IGNORECASE,
)
"""What may be sent, beside what was: `limit 200,000 MB, used 312 MB`, `312 / 200,000 MB`."""
ONE_WAY = (
    r"(?:[ \t]+(?:communication|costs?|payload|total|traffic|volume))*"
    rf"[\s:|=~≈]{{1,12}}({GROUPED})[ \t]*{UNIT}{OF_A_PART}"
)
EACH_WAY = tuple(
    re.compile(rf"(?<![\w-])(?:{names}){ONE_WAY}", re.IGNORECASE)
    for names in (
        r"up-?(?:link|load(?:ed)?|stream)|clients?[ \t]*(?:→|->|to)[ \t]*(?:the )?server|上行",
        r"down-?(?:link|load(?:ed)?|stream)|server[ \t]*(?:→|->|to)[ \t]*(?:the )?clients?|下行",
    )
)
"""Communication as what was sent up and what was sent down; of a whole run, not of a round."""


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
    found.sources = tuple(readme_sources(without_other_work(text), file, unread))
    found.sources += tuple(_beside(row, file, found.sources))
    found.traffic = _traffic(text, row, hints, file, unread)
    return found


def _beside(
    row: ScoreRow | None, file: str, sources: tuple[SettingsSource, ...]
) -> Iterator[SettingsSource]:
    """Yield the settings in the columns beside the scores that the lists do not state as well.

    Args:
        row: of scores, the chosen one of those of several models.
        file: the README's name.
        sources: what its lists and tables state.
    """
    pairs = [pair for said in (row.beside if row else ()) for pair in pairs_in(said)]
    stated = [pair for source in sources for pair in source.values.model_dump().items()]
    if values := dict(pair for pair in pairs if pair not in stated):
        where = f"{file} (its row of scores)"
        yield SettingsSource(where=where, values=ClaimedConfig.model_validate(values))


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
    said = OF_LIMIT.sub(r"\g<unit>", MARKS.sub("", "\n".join(lines)))
    figures = {(m.group(1), m.group(2)) for m in TRAFFIC.finditer(said)}
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
    return _up_and_down(MARKS.sub("", text), file)


def _up_and_down(text: str, file: str) -> Quote | None:
    """Return the sum of what was sent up and what was sent down, where a text says both once."""
    found = [{(m[1], m[2]) for m in way.finditer(text)} for way in EACH_WAY]
    if any(len(figures) != 1 for figures in found):
        return None
    (up, unit), (down, other) = (figures.pop() for figures in found)
    if unit.lower() != other.lower():
        return None
    total = Decimal(_ungrouped(up)) + Decimal(_ungrouped(down))
    written = f"{up} {unit} up, {down} {other} down"[:120]
    return Quote(text=f"{total:f}", unit=unit, file=file, written=written)


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
