"""`leaderboard.json`: everything that the tables show, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.boards.board import Board
from harness.leaderboard.columns import Ranked

LEADERBOARD_SCHEMA = "flowertune-harness/leaderboard"
LEADERBOARD_VERSION = 8


def board_value(
    items: Sequence[Ranked], board: Board, refused: Sequence[str], claims: Sequence[Ranked] = ()
) -> dict[str, Any]:
    """Return the JSON value of one challenge's board.

    Args:
        items: runs and references, in the table's order.
        board: the challenge.
        refused: a sentence for each submission that is not shown.
        claims: what is shown apart and has no rank.
    """
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
        "entries": [_entry(item) for item in items],
        "claims": [_entry(item) for item in claims],
        "refused": list(refused),
    }


def _entry(item: Ranked) -> dict[str, Any]:
    return {
        "rank_group": item.group,
        "status": item.status,
        **item.entry.model_dump(mode="json"),
    }


def board_text(value: dict[str, Any]) -> str:
    """Return the JSON text of a board, a line for each entry."""
    lines = []
    for key, item in value.items():
        if isinstance(item, list) and key in ("entries", "claims"):
            rows = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in item)
            text = f"[\n{rows}\n  ]" if rows else "[]"
        else:
            text = json.dumps(item, ensure_ascii=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
