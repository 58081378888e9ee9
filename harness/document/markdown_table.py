"""The tables of a card, one form for one content whatever else is installed.

A card is compared letter by letter with what its record gives, so that widths are counted in
characters: a library that measures how wide a terminal draws them gives another card where another
library is installed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Return a Markdown table as GitHub reads it, each cell on one line and padded to its column.

    Args:
        rows: of as many cells as the head.
        head: what stands above each column.
    """
    lines = [[cell.replace("\n", " ").strip() for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # A heading has room for two more characters: all cards so far were padded so.
    widths = [max(width, len(cell) + 2) for width, cell in zip(widths, lines[0], strict=True)]
    lines.insert(1, ["-" * (width + 2) for width in widths])
    return "\n".join(
        "|" + "|".join(row) + "|"
        if index == 1
        else "| " + " | ".join(map(str.ljust, row, widths)) + " |"
        for index, row in enumerate(lines)
    )
