"""A README as plain lines and tables, however it is marked up: Markdown's forms, HTML's, signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from urllib.parse import unquote

MAX_README_CHARACTERS = 200_000
"""What is read of a README; the longest seen has 21,000 characters."""
MARKS = re.compile(r"\*{1,3}|`|~~|(?<![A-Za-z0-9])__?|__?(?![A-Za-z0-9])")
"""Marks of bold type, italics and code in Markdown; an underscore inside a name is none."""
SIGNS = str.maketrans({
    "：": ":", "，": ",", "（": "(", "）": ")", "％": "%", "｜": "|", "−": "-", "／": "/",
    "\xa0": " ", "\u202f": " ", "\u2009": " ", "\r": None, "．": ".", "٫": ".", "٬": ",", "٪": "%",
})  # fmt: skip
"""Signs of other keyboards -> the ones that are looked for."""
WITH_MEDAL = re.compile(r"^.*[🏅🏆🥇🥈🥉🎖].*$", re.MULTILINE)
ANY_RANK = re.compile(r"(?<![do]ra )\brank\b", re.IGNORECASE)
FOOTNOTE = re.compile(r"<su[pb]>[^<]{0,40}</su[pb]>", re.IGNORECASE)
TAG = re.compile(
    r"</?(?:a|b|br|caption|center|code|div|em|font|h[1-6]|i|p|small|span|strong|u)\b[^<>]{0,400}>",
    re.IGNORECASE,
)
STRUCK_OUT = re.compile(r"~~[^~\n]{1,200}~~|<(del|s|strike)>[^<>\n]{1,200}</\1>", re.IGNORECASE)
BADGE = re.compile(
    r"!\[[^\]\[\n]{0,200}\]\(https?://img\.shields\.io/badge/([^)(\s?]{1,200})[^)(\n]{0,400}\)"
)
QUOTED = re.compile(r"^[ \t]{0,3}>[ \t]?", re.MULTILINE)
RULE = re.compile(r"[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+")
"""The second line of a table that has no pipes at its edges."""


def plain_markdown(text: str) -> str:
    """Return a README with one form for everything: tables as Markdown's with pipes at their edges.

    Comments and what is struck out are left out, tags of HTML and marks that nobody sees (a
    byte-order mark, marks of direction, emoji) as well; a quotation is its text, and a badge a line
    `label: value`. `MAX_README_CHARACTERS` are read.
    """
    read = WITH_MEDAL.sub(_of_the_board, text[:MAX_README_CHARACTERS].translate(SIGNS))
    text = "".join(_digit(sign) for sign in read if _is_read(sign))
    text = BADGE.sub(_said_by_badge, STRUCK_OUT.sub("", _without_comments(text)))
    text = TAG.sub(" ", FOOTNOTE.sub("", _with_pipes(text)))
    return _with_edges(re.sub(r"\n{3,}", "\n\n", QUOTED.sub("", text)))


def _of_the_board(line: re.Match[str]) -> str:
    """Return a line with a medal, whose rank is no adapter's: `🥇 Rank: 1`."""
    return ANY_RANK.sub("board rank", line[0])


def _said_by_badge(badge: re.Match[str]) -> str:
    """Return the line that a badge of shields.io shows: `FPB-68.23%25-green` is `FPB: 68.23%`."""
    # `--` and `__` are a hyphen and an underscore, which may belong to the label.
    parts = unquote(badge[1]).replace("--", "\0").replace("__", "\1").replace("_", " ").split("-")
    said = [part.replace("\0", "-").replace("\1", "_") for part in parts]
    return f"\n{said[0]}: {said[1]}\n" if len(said) == 3 else badge[0]


def _is_read(sign: str) -> bool:
    return sign < "\x7f" or unicodedata.category(sign) not in ("Cf", "So", "Sk", "Mn")


def _digit(sign: str) -> str:
    """Return a digit of whatever script as one of 0 to 9, and any other sign as it is."""
    return str(value) if sign > "\x7f" and (value := unicodedata.decimal(sign, -1)) >= 0 else sign


def _without_comments(text: str) -> str:
    """Return text without HTML's comments; one without its end goes to the end."""
    first, *others = text.split("<!--")
    return first + "".join(other.partition("-->")[2] for other in others)


def _with_pipes(text: str) -> str:
    """Return text with HTML's tables as Markdown's, each row one line."""
    first, *others = re.split(r"<table\b", text, flags=re.IGNORECASE)
    return first + "".join(map(_one_table, others))


def _one_table(text: str) -> str:
    table, _, rest = re.sub(r"</table>", "</table>", text, flags=re.IGNORECASE).partition(
        "</table>"
    )
    rows = [
        [cell.partition(">")[2] for cell in re.split(r"<t[hd]\b", row, flags=re.IGNORECASE)[1:]]
        for row in re.split(r"<tr\b", table, flags=re.IGNORECASE)[1:]
    ]
    lines = ("|".join(["", *map(_one_line, row), ""]) for row in rows)
    return "\n\n" + "\n".join(lines) + "\n\n" + rest


def _one_line(cell: str) -> str:
    return " ".join(re.sub(r"<[^<>]{0,400}>", " ", FOOTNOTE.sub("", cell)).split())


def _with_edges(text: str) -> str:
    """Return text whose tables all have pipes at their edges."""
    lines = text.split("\n")
    inside = False
    for number, line in enumerate(lines):
        if number and len(line) < 2000 and RULE.fullmatch(line):
            inside = True
            lines[number - 1] = _edged(lines[number - 1])
        inside = inside and "|" in line
        if inside:
            lines[number] = _edged(line)
    return "\n".join(lines)


def _edged(line: str) -> str:
    return line if line.lstrip().startswith("|") else f"| {line} |"


TOGETHER = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?([^\W\d_][^:=|\n]{0,120}?)[ \t]*[:=][ \t]*([^:=|\n]{1,120})"
)
BETWEEN = re.compile(r"[ \t]*(?:/|→|[-=]>|,[ \t]|\band\b)[ \t]*")


def one_by_one(line: str) -> list[str]:
    """Return a line that says several things together as one for each, any other as it is.

    `rank / alpha: 8 / 16` is `rank: 8` and `alpha: 16`; `LR (max → min): 5e-5 → 1e-6` is `max LR:
    5e-5` and `min LR: 1e-6`, and `max: 5e-5` as well: in `LoRA (r, alpha)` that is the label. There
    are as many values as labels, and each is a number.

    Args:
        line: without Markdown's marks.
    """
    match = TOGETHER.fullmatch(line)
    if match is None:
        return [line]
    before, in_brackets = match[1], re.fullmatch(r"(.*?)[ \t]*\((.*)\)", match[1])
    labels = BETWEEN.split(in_brackets[2] if in_brackets else before)
    values = BETWEEN.split(match[2].strip())
    numbers = all(re.fullmatch(r"[0-9][0-9.,eE-]*[ \t]*%?", value) for value in values)
    if len(labels) < 2 or len(labels) != len(values) or not numbers:
        return [line]
    pairs = list(zip(labels, values, strict=True))
    whole = [f"{label} {in_brackets[1]}: {value}" for label, value in pairs if in_brackets]
    return [f"{label}: {value}" for label, value in pairs] + whole


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield every Markdown table as rows of as many cells as its heading has, without its rule."""
    lines = text.split("\n")
    for is_table, block in groupby(lines, key=lambda line: line.lstrip().startswith("|")):
        if not is_table:
            continue
        rows = [[cell.strip() for cell in _cells(line)] for line in block]
        written = [row for row in rows if not all(re.fullmatch(r"[\s:-]*", cell) for cell in row)]
        yield [(row + [""] * len(written[0]))[: len(written[0])] for row in written]


def _cells(line: str) -> list[str]:
    inside = line.strip().replace(r"\|", "/").removeprefix("|").removesuffix("|")
    return inside.split("|")
