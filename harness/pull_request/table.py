"""The tables of a tree of submissions as lines of text, so that two trees can be compared."""

from __future__ import annotations

from pathlib import Path

from harness.boards.board import board_names, load_board
from harness.boards.open_division import OPEN
from harness.errors import RecordError
from harness.leaderboard.build import claimed, ranked
from harness.leaderboard.columns import cells, headings
from harness.leaderboard.entries.verdicts import entries_of
from harness.verify.targets import find_targets


def table_lines(submissions: Path) -> list[str]:
    """Return one line for each entry that is shown, board by board, in the tables' order."""
    try:
        targets = list(find_targets(submissions))
    except RecordError:
        return []
    entries = [item.entry for item in entries_of(targets)[0]]
    lines = []
    for name in board_names():
        for place in (name, f"{name}{OPEN}"):
            board = load_board(name).model_copy(update={"id": place})
            ours = [entry for entry in entries if entry.key.startswith(f"{place}/")]
            for item in (*ranked(ours), *claimed(ours)):
                shown = zip(headings(board), cells(item, board), strict=True)
                kept = [f"{head} {cell}" for head, cell in shown if cell != "–"]
                lines.append(f"{place}: " + ", ".join(kept))
    return lines
