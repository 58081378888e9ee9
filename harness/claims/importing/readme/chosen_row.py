"""The row that is meant, of several rows of scores and of cells of traffic in a README."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.claims.importing.readme.markdown import MARKS, tables
from harness.claims.importing.readme.score_tables import ScoreRow, plain


@dataclass(frozen=True, slots=True)
class Hints:
    """What tells one row of scores from another."""

    model: str | None = None
    """Hub id of the model that the project's configuration names."""
    run: str | None = None
    """Name of the run that the user asked for."""
    fractions: tuple[tuple[str, str], ...] = ()
    """(evaluation set, fraction) as the project's accuracy files state it."""
    rows: tuple[tuple[str, int], ...] = ()
    """(evaluation set, its rows) of the board."""
    others: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """(another run of the project, its fractions)."""


def choose_row(rows: list[ScoreRow], hints: Hints, file: str, unread: list[str]) -> ScoreRow | None:
    """Return the only row, or the one that the hints single out; None when neither is certain.

    Args:
        rows: of all tables of a README; equal ones count once.
        hints: what is known of the run from the project's other files.
        file: name of the README, for the message.
        unread: collects that no row could be chosen.
    """
    # A README compares its run with others:
    #
    #     | [Qwen/Qwen2.5-0.5B]           | 71.12 | 60.53 | 69.01 |
    #     | [HuggingFaceTB/SmolLM2-360M]  | 66.01 | 56.58 | 64.11 |
    #     | SmolLM2-360M (100 rounds)     | 65.02 | 55.26 | 63.90 |
    #
    # With the hint `model` alone two rows name SmolLM2-360M, so none is chosen. An accuracy file of
    # fiqa that says 0.5657894736842105 singles out the second: 56.58 is within 0.0101 of 56.5789.
    # The run's name is asked first, because the user typed it; the model last, because a table may
    # well hold several runs of one model. A test that fits two rows decides nothing, but for a row
    # without all its figures, a baseline's of before a set was added: a whole one goes before it.
    distinct = _distinct([with_unit(row, hints) for row in rows])
    owners = [_owner(row, hints) for row in distinct]
    if distinct and all(owners):
        unread.append(f"{file}: its scores are those of {', '.join(dict.fromkeys(owners))}")
    distinct = [row for row, owner in zip(distinct, owners, strict=True) if not owner]
    if len(distinct) <= 1:
        return distinct[0] if distinct else None
    run, model = plain(hints.run or ""), plain((hints.model or "").rsplit("/", 1)[-1])
    tests: tuple[Callable[[ScoreRow], bool], ...] = (
        lambda row: any(run.endswith(name) for name in _caption_names(row.caption)),
        lambda row: _agrees(row, hints),
        lambda row: bool(model) and model in _caption_names(row.caption),
        lambda row: _agrees(row, hints, of_all=False),
        lambda row: not any(word in row.caption.lower() for word in OTHERS),
        lambda row: True,
    )
    for test in tests:
        named = [row for row in distinct if test(row)]
        named = [row for row in named if not row.unread] or named
        if len(named) == 1:
            return named[0]
    unread.append(f"{file}: {len(distinct)} rows of scores; which one is not certain")
    return None


def with_unit(row: ScoreRow, hints: Hints) -> ScoreRow:
    """Return a row with its figures known to be fractions, where more says so than against it.

    All figures are at most 1, and as fractions more of them are what an accuracy file has, or where
    there is none a number of the set's rows, than as percent; or nothing but an average that is
    their mean tells. One figure that is a hundred times too small beside others in percent stays
    what it is: a contradiction.
    """
    values = [float(text) for _, text in row.percents]
    shares = dict(hints.fractions)
    known = any(task in shares for task, _ in row.percents)
    if max(values) > 1 or (not known and max(values) * 100 < 2):
        return row  # 0.01, 0.02: a model that answers nothing, or fractions; nobody can tell.
    as_fractions, as_percent = (
        sum(_borne_out(task, text, whole, hints) for task, text in row.percents)
        for whole in (1, 100)
    )
    told_by_average = (
        not known
        and row.average is not None
        and not row.unread
        and abs(float(row.average) - sum(values) / len(values)) <= _slack(row.average)
    )
    return (
        replace(row, scale=100.0)
        if as_fractions > as_percent or (as_fractions == as_percent and told_by_average)
        else row
    )


def _borne_out(task: str, text: str, whole: int, hints: Hints) -> bool:
    """Whether a figure is its accuracy file's, or without one a number of rows of its set.

    Args:
        task: the evaluation set.
        text: the figure as written.
        whole: what it is a part of: 1, or 100 where it is percent.
        hints: the files' fractions, and the sets' rows.
    """
    value, shares, counts = float(text), dict(hints.fractions), dict(hints.rows)
    if task in shares:
        expected = float(shares[task])
    elif task in counts:
        expected = round(value / whole * counts[task]) / counts[task]
    else:
        return False
    return abs(value - whole * expected) < _slack(text)


def _slack(text: str) -> float:
    """Return how far a fraction may be from its figure: one of its last decimals, 0.01 at most."""
    return 1.01 * min(10.0 ** -len(text.partition(".")[2]), 0.01)


OTHERS = ("baseline", "before", "default", "original", "published", "upstream", "zero-shot")
"""What the caption of a row says that is not the project's own."""


def _distinct(rows: list[ScoreRow]) -> list[ScoreRow]:
    """Return rows without those that say another's percentages again, as fractions."""
    percentages = [_percentages(row) for row in rows if row.scale == 1]
    kept = (row for row in rows if row.scale == 1 or _percentages(row) not in percentages)
    return list(dict.fromkeys(kept))


def _percentages(row: ScoreRow) -> list[tuple[str, float]]:
    return [(task, round(float(value) * row.scale, 2)) for task, value in row.percents]


def _owner(row: ScoreRow, hints: Hints) -> str:
    """Return another run whose figures a row has; empty where they may be this run's."""
    if len(row.percents) < 2 or _agrees(row, hints):
        return ""
    runs = (run for run, theirs in hints.others if _agrees(row, replace(hints, fractions=theirs)))
    return next(runs, "")


def _agrees(row: ScoreRow, hints: Hints, of_all: bool = True) -> bool:
    """Whether the figures of a row are those of the accuracy files, within their last decimal.

    Args:
        row: of scores.
        hints: with the accuracy files' fractions.
        of_all: whether every figure has to be; otherwise two, and more than half of them.
    """
    shares = {task: 100 * float(share) for task, share in hints.fractions}
    agreeing = sum(
        task in shares and abs(float(value) * row.scale - shares[task]) < 0.0101
        for task, value in row.percents
    )
    figures = len(row.percents)
    return agreeing == figures if of_all else agreeing > max(1, figures / 2)


def _caption_names(caption: str) -> set[str]:
    words = re.sub(r"\[([^\]\[]{0,200})\]\([^)(]{0,400}\)", r"\1", caption)
    parts = {part for word in words.split() for part in (word, word.rsplit("/", 1)[-1])}
    # A bare count in brackets, "(200Rounds)", names no model.
    return {plain(part) for part in parts if len(plain(part)) >= 4 and "ound" not in part}


def traffic_cells(text: str, hints: Hints) -> list[str]:
    """Return the cells of tables that say how much was sent: those of the run, where that is told.

    | model         | SmolLM2-135M | SmolLM2-360M |
    | Communication | 747.07 MB    | 1321.88 MB   |
    """
    cells = _traffic_by_caption(text)
    names = {caption: _caption_names(caption) for caption in cells}
    model = plain((hints.model or "").rsplit("/", 1)[-1])
    for wanted in (plain(hints.run or ""), model):
        fits = {
            caption: max((len(name) for name in known if wanted.endswith(name)), default=0)
            for caption, known in names.items()
        }
        best = max(fits.values(), default=0)
        if wanted and best:
            return [cells[caption] for caption, length in fits.items() if length == best]
    return list(cells.values())


def _traffic_by_caption(text: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    for table in tables(text):
        if len(table) < 2 or any(len(row) != len(table[0]) for row in table):
            continue
        for grid in (table, [list(column) for column in zip(*table, strict=True)]):
            said = [row[1:] for row in grid if plain(row[0]).startswith("comm")]
            for row in said:
                bare = (MARKS.sub("", cell).strip() for cell in row)
                cells |= dict(zip(grid[0][1:], bare, strict=True))
    return cells
