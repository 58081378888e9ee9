"""What the tables show of an entry, as text: percent, MiB and groups, once for all formats."""

from __future__ import annotations

from dataclasses import dataclass

from harness.boards.board import Board
from harness.boards.open_division import OPEN
from harness.document.units import GIB
from harness.leaderboard.entries.entry import Entry


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entry with its place."""

    entry: Entry
    group: int | None
    """1 for the best; entries of one group cannot be told apart."""

    @property
    def status(self) -> str:
        """`eligible`, or why it ranks nowhere, in a word or two."""
        if self.entry.kind != "run":
            return self.entry.kind
        if self.entry.withdrawn:
            return "withdrawn"
        return "eligible" if self.entry.eligible else "not eligible"


def reasons_of(entry: Entry) -> list[str]:
    """Return why an entry has no rank; a withdrawal, which comes first, says that it is one."""
    own = 1 if entry.withdrawn else 0
    return [*entry.reasons[:own], *(f"not eligible: {why}" for why in entry.reasons[own:])]


def percent(value: float | None) -> str:
    """Return a fraction as percent with two decimals, or a dash."""
    return "–" if value is None else f"{100 * value:.2f}"


def half_width(low: float | None, high: float | None) -> str:
    """Return half of an interval in percent with one decimal, or a dash."""
    return "–" if low is None or high is None else f"{50 * (high - low):.1f}"


def gib(count: int | None) -> str:
    """Return bytes as GiB, or a dash."""
    return "–" if count is None else _amount(count / GIB)


def millions(count: int | None) -> str:
    """Return a number of parameters in millions, or a dash."""
    return "–" if count is None else _amount(count / 1e6)


def _amount(value: float) -> str:
    """Return two decimals, or two significant digits of a smaller value; `amount` of the pages."""
    digits, bound = 2, 0.1
    while 0 < value < bound:
        digits, bound = digits + 1, bound / 10
    return f"{value:.{digits}f}"


def capitalised(text: str) -> str:
    """Return a heading with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def is_open(board: Board) -> bool:
    """Whether a table is that of a board's open division."""
    return board.id.endswith(OPEN)


def headings(board: Board) -> list[str]:
    """Return the headings of the Markdown table."""
    changes = ["Changes"] if is_open(board) else []
    second = [] if board.second is None else [f"{capitalised(board.second.heading)} %"]
    return [
        "Group", "Entry", *changes, "Model", "Average %", "±",
        *[f"{item.heading} %" for item in board.sets], "No leak %", *second, "GiB", "Adapter M",
        "Rounds", "Status", "Whose code", "Verified", "Contradictions",
    ]  # fmt: skip


def cells(item: Ranked, board: Board) -> list[str]:
    """Return the cells of one entry, in the order of `headings`."""
    entry = item.entry
    contradictions = sum(finding.severity == "warning" for finding in entry.findings)
    second = [] if board.second is None else [percent(entry.second_average)]
    return [
        "–" if item.group is None else str(item.group),
        entry.name if entry.kind != "reference" else entry.title,
        *([entry.changes or "–"] if is_open(board) else []),
        entry.model or "–",
        percent(entry.average),
        half_width(entry.low, entry.high),
        *[
            percent(entry.scores[task].value if task in entry.scores else None)
            for task in board.rows
        ],
        percent(entry.clean_average),
        *second,
        gib(entry.bytes_total),
        millions(entry.parameters),
        "–" if entry.rounds is None else str(entry.rounds),
        item.status,
        entry.whose_code or "–",
        entry.level,
        str(contradictions or "–"),
    ]
