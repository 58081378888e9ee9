"""The sections of a README that speak of the run, and not of another run, board or plan."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection

from harness.boards.board import Board, board_names
from harness.claims.importing.readme.stated_settings import FENCE

HEADING = re.compile(r"^(#{1,6})[ \t]", re.MULTILINE)
MOST_RUNS = 40
"""Runs of one project that are told apart in a README; the most seen are four."""
OF_BOARDS = re.compile(
    r"\b(?:board|challenge|data ?set|domain|flowertune|leaderboard|llm|results?|scores?|track)\b"
    r"|[^a-z-]",
    re.IGNORECASE,
)
"""What a heading says beside the name of its board: `2. FlowerTune LLM: Medical challenge`."""
OTHER_WORK = re.compile(
    r"#{2,6}[ \t]+(?:[0-9.]+[ \t]+)?(?:ablations?\b.*|baselines?(?: (?:results?|scores?))?"
    r"|change ?log|future(?: work)?|next steps|related work|to-?do)[ \t:]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""The heading of a section whose settings are not the run's; `Changes from baseline` are."""


def part_of_run(text: str, run: str | None, runs: Collection[str]) -> tuple[str, bool]:
    """Return a README without the sections of other runs, and whether the run has its own.

    Below `### 10 rounds` and `### 100 rounds`, each with its settings and the name of its
    evaluation, stand two runs of one project.

    Args:
        text: the whole README.
        run: the name of its evaluation files, or None.
        runs: the names of all.
    """
    if run is None or len(runs) < 2:
        return text, False
    return _part_of(text, run, lambda section: _runs_in(section, runs))


def part_of_board(text: str, board: Board) -> str:
    """Return a README without the sections of other boards, where it has one of this board.

    Four challenges in one README are told apart by headings: `## Finance`, `## Medical`.
    """
    return _part_of(text, board.id, _boards_in)[0]


def without_other_work(text: str) -> str:
    """Return a README without its sections of ablations, baselines and plans."""
    kept, below = [], 7
    for section in _sections(text, 6):
        level = len(section) - len(section.lstrip("#")) or 7
        if level <= below:
            below = level if OTHER_WORK.match(section) else 7
        if below == 7:
            kept.append(section)
    return "".join(kept)


def _part_of(text: str, ours: str, named: Callable[[str], set[str]]) -> tuple[str, bool]:
    """Return a text without the sections of others, and whether there are any beside ours.

    A section is ours where it names us and no other, at the highest level of headings at which this
    is so.

    Args:
        text: the whole README.
        ours: the name of what is looked for.
        named: which names a section gives.
    """
    for level in range(1, 5):
        sections = _sections(text, level)
        names = [named(section) for section in sections]
        if {ours} in names and any(found and ours not in found for found in names):
            kept = (
                s for s, found in zip(sections, names, strict=True) if not found or ours in found
            )
            return "".join(kept), True
    return text, False


def _sections(text: str, level: int) -> list[str]:
    """Return a text cut before its headings of a level and of those above it."""
    # A comment in a code block is no heading.
    prose = FENCE.sub(lambda block: " " * len(block[0]), text)
    starts = [match.start() for match in HEADING.finditer(prose) if len(match[1]) <= level]
    return [text[a:b] for a, b in itertools.pairwise([0, *starts, len(text)])]


def _boards_in(section: str) -> set[str]:
    """Return the board that is the name of a section's heading, or nothing."""
    heading = section.partition("\n")[0]
    said = OF_BOARDS.sub("", heading).strip("-").lower() if heading.startswith("#") else ""
    return {name for name in board_names() if said in (name, name.replace("-", ""))}


def _runs_in(text: str, runs: Collection[str]) -> set[str]:
    """Return the runs that a text names; `x_r10` stands in `x_r10_long` only where that is none."""
    places: list[tuple[int, int, str]] = []
    for run in sorted(runs)[:MOST_RUNS]:
        words = re.findall(r"[A-Za-z0-9]+", run)
        pattern = r"[\W_]{0,3}".join(words)
        if words:
            found = re.finditer(rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])", text)
            places += [(*match.span(), run) for match in found]
    return {
        run
        for begin, end, run in places
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for b, e, _ in places)
    }
