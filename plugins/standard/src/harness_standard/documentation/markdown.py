"""Markdown of tables and links."""

from __future__ import annotations

from collections.abc import Sequence


def link(address: str) -> str:
    """Return a link that shows the last part of its address."""
    return f"[{address.rpartition('/')[2]}]({address})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, a row a line."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
