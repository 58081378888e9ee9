"""Claims of a README, read only where a line or a table can mean one thing.

What is ambiguous (two tables that differ, rows of several models) is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.claim import ClaimedConfig, ClaimedCosts, Quote
from harness.verify.architectures import architecture_of
from harness.verify.boards import Board

NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
BULLET = re.compile(
    rf"^[ \t]*[-*][ \t]+\**([A-Za-z][^:*\n]{{0,60}})\**[ \t]*:[ \t]*\**[ \t]*({NUMBER})[ \t]*%?"
    r"[ \t]*\**[ \t]*$",
    re.MULTILINE,
)
TRAFFIC = re.compile(
    rf"comm(?:unication|\.)?[ \t]*(?:budget|costs?)[\s*:#|]{{0,12}}({NUMBER})[ \t]*"
    r"(MB|GB|MiB|GiB|Megabytes|Gigabytes)\b",
    re.IGNORECASE,
)
RUNTIME = re.compile(rf"({NUMBER})[ \t]*seconds[ \t]*\(([0-9]{{1,4}}:[0-9]{{2}}:[0-9]{{2}})\)")
PRICE = re.compile(rf"^\|.*\|[ \t]*\$({NUMBER})/hr[ \t]*\|[ \t]*$", re.MULTILINE)
PER_HOUR = re.compile(rf"\*\*\$({NUMBER})/hr\*\*")
TOTAL = re.compile(rf"simulation cost[\s*|]{{0,12}}\$({NUMBER})", re.IGNORECASE)
SETTINGS = {
    "rounds": re.compile(r"total number of rounds\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "fraction": re.compile(rf"fraction[ -](?:fit|train)[^:\n]{{0,20}}:[ \t*`]*({NUMBER})", re.I),
    "max_steps": re.compile(r"maximum number of steps\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "batch_size": re.compile(
        r"^[ \t]*[-*][ \t]+\**batch size\**:[ \t*`]*([0-9]{1,6})", re.I | re.M
    ),
    "rank": re.compile(r"rank \(r\)\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "alpha": re.compile(r"^[ \t]*[-*][ \t]+\**alpha\**:[ \t*`]*([0-9]{1,6})", re.I | re.M),
}
SCIENTIFIC = r"[0-9]{1,6}(?:\.[0-9]{1,6})?(?:e-?[0-9]{1,2})?"
RATES = {
    "learning_rate_max": re.compile(rf"maximum lr\**:[ \t*`]*({SCIENTIFIC})", re.IGNORECASE),
    "learning_rate_min": re.compile(rf"minimum lr\**:[ \t*`]*({SCIENTIFIC})", re.IGNORECASE),
}
MODEL_NAME = re.compile(r"for the \**([\w.-]{1,80}/[\w.-]{1,80})\** model", re.IGNORECASE)
TARGETS = re.compile(
    r"target modules\**:[ \t]*\n((?:[ \t]+[-*][ \t]+`[\w.-]{1,60}`,?[ \t]*\n){1,20})",
    re.IGNORECASE,
)
DORA = re.compile(r"\[DoRA\][^\n]{0,100}configuration|use_dora\s{0,5}=\s{0,5}True", re.IGNORECASE)
HUB_ID = re.compile(r"\[([\w.-]{1,80}/[\w.-]{1,80})\]")
DATASET = re.compile(r"huggingface\.co/datasets/([\w.-]{1,80}/[\w.-]{1,80})")


@dataclass
class Readme:
    """What a README states with certainty."""

    percents: dict[str, Quote] = field(default_factory=dict)
    average: Quote | None = None
    traffic: Quote | None = None
    costs: ClaimedCosts = field(default_factory=ClaimedCosts)
    settings: ClaimedConfig = field(default_factory=ClaimedConfig)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of scores: the sets' figures, and perhaps average and communication."""

    label: str
    percents: tuple[tuple[str, str], ...]
    average: str | None
    traffic: str | None


@dataclass(frozen=True, slots=True)
class Hints:
    """What tells one row of scores from another."""

    model: str | None = None
    """Hub id of the configuration."""
    run: str | None = None
    """Name of the run that was asked for."""
    fractions: tuple[tuple[str, str], ...] = ()
    """(set, fraction) of the accuracy files."""


def read_readme(text: str, file: str, board: Board, hints: Hints, unread: list[str]) -> Readme:
    """Read the claims of one README for one board.

    Args:
        text: the whole README.
        file: its name, for quotes.
        board: whose sets to look for.
        hints: to choose among rows of several models or runs.
        unread: collects what is ambiguous.
    """
    found = Readme(costs=read_costs(text, file), settings=read_settings(text))
    row = _choose_row(list(table_rows(text, board)), hints, file, unread)
    if row is None:
        row = bullet_row(text, board)
    if row is not None:
        found.percents = {task: Quote(text=v, unit="%", file=file) for task, v in row.percents}
        model = _model_of(row.label)
        if model is not None:
            found.settings = found.settings.with_values(model=model)
        found.average = (
            None if row.average is None else Quote(text=row.average, unit="%", file=file)
        )
    figures = {(m.group(1), m.group(2)) for m in TRAFFIC.finditer(text)}
    if row is not None and row.traffic is not None:
        match = re.fullmatch(rf"({NUMBER})\s*([A-Za-z]+)", row.traffic)
        figures = {(match.group(1), match.group(2))} if match else figures
    if len(figures) == 1:
        value, unit = figures.pop()
        found.traffic = Quote(text=value, unit=unit, file=file)
    elif figures:
        unread.append(f"{file}: {len(figures)} communication figures; which one is not certain")
    return found


def plain(text: str) -> str:
    """Return lower-case letters and digits of `text`, links reduced to their words."""
    words = re.sub(r"\[([^\]]{0,200})\]\([^)]{0,400}\)", r"\1", text)
    return re.sub(r"[^a-z0-9]", "", words.lower())


def task_of(text: str, board: Board) -> str | None:
    """Return the evaluation set that a heading names, or None."""
    name = plain(text)
    return next((task for task, names in board.spellings.items() if name in names), None)


def table_rows(text: str, board: Board) -> Iterator[Row]:
    """Yield the rows of every Markdown table whose header names all sets of the board, or all but
    one (a set was added in 2025)."""
    header: list[str] | None = None
    for line in text.split("\n"):
        if not line.lstrip().startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
            continue
        if all(re.fullmatch(r"[\s:-]*", cell) for cell in cells):
            continue
        columns = {
            index: task for index, cell in enumerate(header) if (task := task_of(cell, board))
        }
        if len(set(columns.values())) < max(2, len(board.rows) - 1) or len(cells) != len(header):
            continue
        values = {task: _number(cells[index]) for index, task in columns.items()}
        if any(value is None for value in values.values()):
            continue
        yield Row(
            label=cells[0],
            percents=tuple((task, str(value)) for task, value in values.items()),
            average=_column(header, cells, ("avg", "average")),
            traffic=_raw_column(header, cells, ("commcosts", "commcost", "comm", "communication")),
        )


def _number(cell: str) -> str | None:
    match = re.fullmatch(rf"[*\s]*({NUMBER})\s*%?[*\s]*", cell)
    return match.group(1) if match else None


def _column(header: list[str], cells: list[str], names: tuple[str, ...]) -> str | None:
    raw = _raw_column(header, cells, names)
    return None if raw is None else _number(raw)


def _raw_column(header: list[str], cells: list[str], names: tuple[str, ...]) -> str | None:
    for title, cell in zip(header, cells, strict=True):
        if plain(title) in names:
            return cell.strip("* ")
    return None


def bullet_row(text: str, board: Board) -> Row | None:
    """Return the figures of a list such as `- **FiQA**: 56.58 %`, each set named once."""
    values: dict[str, str] = {}
    average: list[str] = []
    for match in BULLET.finditer(text):
        name, value = match.group(1), match.group(2)
        task = task_of(name, board)
        if task is not None and values.get(task, value) != value:
            return None  # Two figures for one set: which one is not certain.
        if task is not None:
            values[task] = value
        elif plain(name) in ("average", "avg"):
            average.append(value)
    if not values:
        return None
    one = average[0] if len(set(average)) == 1 else None
    return Row("", tuple(values.items()), one, None)


def _model_of(label: str) -> str | None:
    named = HUB_ID.search(label)
    if named is not None:
        return named.group(1)
    words = re.findall(r"[\w.-]{3,80}", label)
    return next((word for word in words if architecture_of(word) is not None), None)


def _choose_row(rows: list[Row], hints: Hints, file: str, unread: list[str]) -> Row | None:
    distinct = list(dict.fromkeys(rows))
    if len(distinct) <= 1:
        return distinct[0] if distinct else None
    run, model = plain(hints.run or ""), plain((hints.model or "").rsplit("/", 1)[-1])
    tests: tuple[Callable[[Row], bool], ...] = (
        lambda row: any(run.endswith(name) for name in _label_names(row.label)),
        lambda row: _agrees(row, hints),
        lambda row: bool(model) and model in _label_names(row.label),
    )
    for test in tests:
        named = [row for row in distinct if test(row)]
        if len(named) == 1:
            return named[0]
    unread.append(f"{file}: {len(distinct)} rows of scores; which one is not certain")
    return None


def _agrees(row: Row, hints: Hints) -> bool:
    """Whether every figure of a row is that of an accuracy file, within its last decimal."""
    shares = dict(hints.fractions)
    return bool(shares) and all(
        task in shares and abs(float(value) - 100 * float(shares[task])) < 0.0101
        for task, value in row.percents
    )


def _label_names(label: str) -> set[str]:
    words = re.sub(r"\[([^\]]{0,200})\]\([^)]{0,400}\)", r"\1", label)
    parts = {part for word in words.split() for part in (word, word.rsplit("/", 1)[-1])}
    # A bare count in brackets, "(200Rounds)", names no model.
    return {plain(part) for part in parts if len(plain(part)) >= 4 and "ound" not in part}


def read_settings(text: str) -> ClaimedConfig:
    """Return the settings that a README lists in the template's words."""
    values: dict[str, object] = {}
    for name, expression in (SETTINGS | RATES).items():
        found = {match.group(1) for match in expression.finditer(text)}
        if len(found) == 1:
            number = float(found.pop())
            whole = name not in ("fraction", "learning_rate_max", "learning_rate_min")
            values[name] = int(number) if whole else number
    models = {match.group(1) for match in MODEL_NAME.finditer(text)}
    if len(models) == 1:
        values["model"] = models.pop()
    lists = {match.group(1) for match in TARGETS.finditer(text)}
    if len(lists) == 1:
        values["targets"] = tuple(re.findall(r"`([\w.-]+)`", lists.pop()))
    if DORA.search(text):
        values["dora"] = True
    datasets = set(DATASET.findall(text))
    if len(datasets) == 1:
        values["dataset"] = datasets.pop()
    return ClaimedConfig.model_validate(values)


def read_costs(text: str, file: str) -> ClaimedCosts:
    """Return runtime and prices, each where it stands once."""

    def once(matches: list[str], unit: str) -> Quote | None:
        return Quote(text=matches[0], unit=unit, file=file) if len(set(matches)) == 1 else None

    runtimes = list(dict.fromkeys(RUNTIME.findall(text)))
    per_hour = PER_HOUR.findall(text)
    items = PRICE.findall(text)
    single = len(runtimes) == 1
    return ClaimedCosts(
        seconds=Quote(text=runtimes[0][0], unit="s", file=file) if single else None,
        clock=Quote(text=runtimes[0][1], unit="h:mm:ss", file=file) if single else None,
        prices=tuple(Quote(text=value, unit="USD/h", file=file) for value in items[:20]),
        per_hour=once(per_hour, "USD/h"),
        total=once(TOTAL.findall(text), "USD"),
    )
