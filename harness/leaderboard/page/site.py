"""The pages: an overview and one page a board, each with its own style and script.

Nothing comes from elsewhere. A page's data lie beside it in scripts that hold nothing but data,
since a browser reads no other kind of file beside a page that was opened from a disk.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from harness.boards.board import Board
from harness.boards.open_division import OPEN, Division
from harness.errors import UsageError
from harness.leaderboard.columns import Ranked, capitalised, half_width, percent
from harness.leaderboard.entries.entry import Entry
from harness.leaderboard.page.columns import (
    Column,
    columns_of,
    not_earned,
    shown_value,
    values_of,
)
from harness.leaderboard.page.history import Best, best_over_time, sparkline

SCRIPTS = ("data.js", "state.js", "table.js", "plot.js", "entry.js", "compare.js", "main.js")
"""Parts of a board's script, in order."""

STATIC_ROWS = 50
"""Rows of a table that stand in the HTML: what is seen first, and without JavaScript."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is published beside the boards, and from where."""

    repository: str = ""
    """Address that a reader can clone; empty where none is known."""
    verifier_bytes: int = 0
    """What the files weigh that check a submission in a browser; 0: there are none."""
    submissions: str = "../../submissions"
    """Where the entries' files lie, as seen from a board's page; empty: out of its reach."""

    def __post_init__(self) -> None:
        """Refuse an address that a page should not link to."""
        if self.repository and not re.fullmatch(
            r"https://[A-Za-z0-9./_~-]{1,200}", self.repository
        ):
            raise UsageError(
                f"{self.repository!r:.100} is no repository's address; give https://..."
            )


UNKNOWN = Site()


def submissions_seen_from(out: Path, submissions: Path) -> str:
    """Return the relative address of the entries' files for `Site`; empty where there is none.

    They are those beside the pages, which may be a copy that is published with them, or else those
    of the checkout that the pages lie in: no address names a folder outside of that.

    Args:
        out: folder of the generated files.
        submissions: what they are generated from.
    """
    out, submissions = out.resolve(), submissions.resolve()
    beside = out.parent / "submissions"
    entries = [path.relative_to(submissions) for path in submissions.glob("*/*")]
    if all((beside / entry).exists() for entry in entries):
        return "../../submissions"
    if submissions.parent not in out.parents:
        return ""
    up = len(out.relative_to(submissions.parent).parts) + 1
    return "../" * up + quote(submissions.name)


@dataclass(frozen=True, slots=True)
class BoardView:
    """What the overview says of one board."""

    board: Board
    items: Sequence[Ranked]
    claims: Sequence[Ranked]
    runnable: bool
    """Whether a run can be made for it."""
    division: Division = "closed"
    """`open`: runs that changed what the board fixes; none of them ranks."""

    @property
    def runs(self) -> list[Ranked]:
        """Verified runs, best first."""
        return [item for item in self.items if item.entry.kind == "run"]

    @property
    def eligible(self) -> int:
        """Number of runs that rank."""
        return sum(item.entry.eligible for item in self.runs)

    @property
    def history(self) -> list[Best]:
        """The best of its time, from the first run that ranks on."""
        return best_over_time(item.entry for item in self.runs if item.entry.eligible)

    @property
    def spark(self) -> str:
        """The same as an SVG path; empty for fewer than two."""
        return sparkline(self.history)


@cache
def _text(name: str) -> str:
    return (
        resources.files("harness.leaderboard.page").joinpath(f"templates/{name}").read_text("utf-8")
    )


@cache
def _compiled(name: str) -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, capitalised=capitalised)
    return environment.from_string(_text(name))


@cache
def script() -> str:
    """Return a board's script."""
    return (
        '"use strict";\n(() => {\n' + "\n".join(_text(f"script/{s}") for s in SCRIPTS) + "})();\n"
    )


def inline_json(value: Any) -> str:
    """Return JSON that is safe inside a script: it cannot end it, and is the same as JavaScript."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return safe_in_script(text)


def safe_in_script(text: str) -> str:
    """Return a JSON text in which no character can end a script or a line of JavaScript."""
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def data_script(call: str, *values: str) -> str:
    """Return a script that holds nothing but data.

    Args:
        call: function of the page that takes them.
        values: JSON texts, each safe in a script.
    """
    return f"{call}({', '.join(values)});\n"


def source_hash(text: str) -> str:
    """Return the Content-Security-Policy hash of an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def board_page(view: BoardView, site: Site = UNKNOWN) -> str:
    """Return the HTML of one board's page."""
    style, code = _text("style.css"), script()
    columns = columns_of(view.board)
    return _compiled("board.html").render(
        board=view.board,
        challenge=view.board.id.removesuffix(OPEN) if view.division == "open" else view.board.id,
        view=view,
        site=site,
        tables=[
            _table("board", "Runs", view.items, columns, view.board),
            _table("claims", "Claims", view.claims, [c for c in columns if c.claims], view.board),
        ],
        columns=columns,
        style=Markup(style),
        script=Markup(code),
        style_hash=source_hash(style),
        script_hash=source_hash(code),
    ) + "\n"  # fmt: skip


def _table(
    name: str, title: str, items: Sequence[Ranked], columns: Sequence[Column], board: Board
) -> dict[str, Any]:
    """Return a table's first rows as the template draws them."""
    shown = [column for column in columns if column.shown]
    rows = []
    for item in items[:STATIC_ROWS]:
        values = values_of(item, board)
        cells = [
            (column, shown_value(column, values[column.key]), _note(column, item.entry))
            for column in shown
        ]  # fmt: skip
        rows.append({"entry": item.entry, "status": item.status, "cells": cells,
                     "warnings": values["warnings"]})  # fmt: skip
    return {"id": name, "title": title, "columns": shown, "rows": rows, "count": len(items)}


def _note(column: Column, entry: Entry) -> str:
    """Return what stands in smaller letters behind a value."""
    if column.key == "average" and entry.average is not None:
        return f"± {half_width(entry.low, entry.high)}"
    return not_earned(entry) if column.key == "level" else ""


def verify_page(site: Site) -> str:
    """Return the HTML of the page that checks a submission."""
    style = _text("style.css")
    code = '"use strict";\n(() => {\n' + _text("script/verify.js") + "})();\n"
    return _compiled("verify.html").render(
        megabytes=round(site.verifier_bytes / 1e6),
        style=Markup(style),
        script=Markup(code),
        style_hash=source_hash(style),
        script_hash=source_hash(code),
    ) + "\n"  # fmt: skip


def overview_page(views: Sequence[BoardView], site: Site = UNKNOWN) -> str:
    """Return the HTML of the overview of all boards."""
    style = _text("style.css")
    newest = sorted(
        ((item, view) for view in views for item in view.runs),
        key=lambda pair: (pair[0].entry.submitted or pair[0].entry.created, pair[0].entry.key),
        reverse=True,
    )
    return _compiled("overview.html").render(
        views=views,
        site=site,
        newest=newest[:8],
        style=Markup(style),
        style_hash=source_hash(style),
    ) + "\n"  # fmt: skip
