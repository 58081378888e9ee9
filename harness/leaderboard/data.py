"""`leaderboard.json`: everything that the page shows, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.leaderboard.columns import SET_TITLES, Ranked
from harness.boards.board import Board

SCHEMA = "flowertune-harness/leaderboard"
VERSION = 1


def board_value(items: Sequence[Ranked], board: Board, refused: Sequence[str]) -> dict[str, Any]:
    """Return the JSON value of one challenge's board."""
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "challenge": board.id,
        "metric": board.metric,
        "sets": [
            {"task": task, "title": SET_TITLES.get(task, task), "rows": rows}
            for task, rows in board.rows.items()
        ],
        "entries": [
            {
                "rank_group": item.group,
                "status": item.status,
                **item.entry.model_dump(mode="json"),
            }
            for item in items
        ],
        "refused": list(refused),
    }
