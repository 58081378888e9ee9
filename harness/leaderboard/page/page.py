"""The page: one HTML file with its own style, script and data, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from harness.boards.board import Board
from harness.leaderboard.columns import (
    Ranked,
    capitalised,
    gib,
    half_width,
    millions,
    percent,
)
from harness.leaderboard.page.plot import make_plots
from harness.record.ladder import LEVELS


@cache
def _template(name: str) -> str:
    return (
        resources.files("harness.leaderboard.page").joinpath(f"templates/{name}").read_text("utf-8")
    )


@cache
def _compiled() -> Template:
    return _environment().from_string(_template("page.html"))


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        percent=percent,
        gib=gib,
        millions=millions,
        capitalised=capitalised,
        half_width=lambda e: half_width(e.low, e.high),
    )
    return environment


def inline_json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def source_hash(text: str) -> str:
    """Return the Content-Security-Policy hash of an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page(
    items: Sequence[Ranked], board: Board, value: dict[str, Any], claims: Sequence[Ranked] = ()
) -> str:
    """Return the HTML of one challenge's board.

    Args:
        items: runs and references in the table's order.
        board: the challenge.
        value: what `leaderboard.json` holds; the entry views are made from it.
        claims: what is shown in a table of its own.
    """
    style, script = _template("style.css"), _template("page.js")
    runs = [item for item in items if item.entry.kind == "run"]
    return (
        _compiled().render(
            title=board.title,
            board=board,
            sets=list(board.headings.items()),
            items=items,
            runs=len(runs),
            eligible=sum(item.entry.eligible for item in runs),
            claims=claims,
            levels=LEVELS,
            plots=make_plots(items, board.limit_mib),
            data=inline_json(value),
            style=Markup(style),
            script=Markup(script),
            style_hash=source_hash(style),
            script_hash=source_hash(script),
        )
        + "\n"
    )
