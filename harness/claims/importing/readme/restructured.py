"""A README in reStructuredText as Markdown: its headings, tables, code blocks and literals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.claims.importing.readme.markdown import MAX_README_CHARACTERS

UNDERLINE = re.compile(r"([=\-~^\"'#*+`:.])\1{2,}[ \t]*")
GRID = re.compile(r"[ \t]*\+(?:[-=]+\+)+[ \t]*")
SIMPLE = re.compile(r"[ \t]*={2,}(?:[ \t]+={2,})+[ \t]*")
LIST_TABLE = re.compile(
    r"^([ \t]*)\.\.[ \t]+(list|csv)-table::[^\n]*\n((?:\1[ \t]+[^\n]*\n?|[ \t]*\n)*)", re.MULTILINE
)
CELL = re.compile(r"[ \t]*(\*)?[ \t]*-[ \t]+([^\n]*)")
CODE = re.compile(
    r"^\.\.[ \t]+code(?:-block)?::[ \t]*([\w-]*)[^\n]*\n((?:[ \t]+[^\n]*\n?|[ \t]*\n)*)",
    re.MULTILINE,
)
LINK = re.compile(r"`([^`<\n]{1,200}?)[ \t]*<([^`>\n]{1,400})>`__?")


def as_markdown(text: str) -> str:
    """Return reStructuredText in the forms of Markdown that are read."""
    text = LIST_TABLE.sub(_table_of_list, f"{text[:MAX_README_CHARACTERS]}\n")
    text = CODE.sub(lambda block: f"```{block[1]}\n{_dedented(block[2])}\n```\n", text)
    text = LINK.sub(r"[\1](\2)", text).replace("``", "`")
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    levels: list[str] = []  # Marks of headings, the highest first, as reStructuredText has them.
    starts: list[int] = []  # Of the columns of the simple table that is read.
    for number, line in enumerate(lines):
        before = lines[number - 1].strip() if number else ""
        after = lines[number + 1] if number + 1 < len(lines) else ""
        if SIMPLE.fullmatch(line):
            last = not lines[number + 1 : number + 2] or not after.strip()
            starts = [] if last else [found.start() for found in re.finditer("=+", line)]
        elif starts and line.strip():
            ends = [*starts[1:], len(line)]
            cells = (line[a:b].strip() for a, b in zip(starts, ends, strict=True))
            yield f"| {' | '.join(cells)} |"
        elif GRID.fullmatch(line):
            continue
        elif (
            line.strip() and UNDERLINE.fullmatch(after) and len(after.strip()) >= len(line.strip())
        ):
            if after[0] not in levels:
                levels.append(after[0])
            yield f"{'#' * min(6, levels.index(after[0]) + 1)} {line.strip()}"
        elif not (UNDERLINE.fullmatch(line) and before):
            yield line


def _table_of_list(found: re.Match[str]) -> str:
    if found[2] == "csv":
        rows = [line.split(",") for line in found[3].split("\n") if "," in line]
        rows = [[cell.strip(' "\t') for cell in row] for row in rows]
    else:
        rows = []
        for first, cell in (match.groups() for match in CELL.finditer(found[3])):
            if first or not rows:
                rows.append([])
            rows[-1].append(cell.strip())
    return "\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n\n"


def _dedented(block: str) -> str:
    return "\n".join(line.strip() for line in block.strip().split("\n"))
