"""`leaderboard.json`: everything that the page shows, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.boards.board import Board
from harness.leaderboard.columns import Ranked

LEADERBOARD_SCHEMA = "flowertune-harness/leaderboard"
LEADERBOARD_VERSION = 2


def board_value(items: Sequence[Ranked], board: Board, refused: Sequence[str]) -> dict[str, Any]:
    """Return the JSON value of one challenge's board."""
    return {
        "schema": LEADERBOARD_SCHEMA,
        "schema_version": LEADERBOARD_VERSION,
        "challenge": board.id,
        "metric": board.metric,
        "sets": [
            {"task": item.task, "title": item.heading, "rows": item.rows} for item in board.sets
        ],
        "measures": [{"name": item.name, "heading": item.heading} for item in board.measures],
        "second": None if board.second is None else board.second.heading,
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
