"""A sweep's file: one recipe, and a grid or a list of settings and seeds, as cells to be run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.document import Document, canonical_json, sha256_text
from harness.document.toml_text import toml_value
from harness.errors import UsageError
from harness.planning.resolve import DEFAULT_SEED
from harness.planning.settings.overrides import parse_overrides
from harness.spec import SEEDS

MAX_CELLS = 1000
"""More runs than this are a mistake in the grid, not a sweep that anybody waits for."""
SEED = "seed"

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Sweep(Document):
    """What a sweep's file holds."""

    recipe: str
    """`plugin`, `plugin/recipe`, or the path of a recipe's file beside the sweep's."""
    challenge: str | None = None
    smoke: bool = False
    limit: int | None = Field(None, ge=1)
    """Rows of each evaluation set; None: all."""
    device: str = "auto"
    settings: dict[str, Any] = {}
    """Set in every cell, by the keys of `--set`."""
    grid: dict[str, Values] = {}
    """Key of `--set`, or `seed` -> its values; every combination is a cell."""
    runs: tuple[dict[str, Any], ...] = ()
    """Cells one by one, instead of a grid."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep."""

    name: str
    """Of its folder."""
    values: Mapping[str, Any]
    """What is set in it alone."""
    arguments: tuple[str, ...]
    """Of `harness run`, without `--out`."""


def cells_of(sweep: Sweep, folder: Path) -> list[Cell]:
    """Return the cells of a sweep, in the order of the grid or the list.

    Args:
        sweep: as it was read.
        folder: of the sweep's file, which a recipe's file is named from.

    Raises:
        UsageError: a grid and a list, or neither; a setting that no run has; two cells that are the
            same run, however they spell it; or more than 1,000.
    """
    if bool(sweep.grid) == bool(sweep.runs):
        raise UsageError("a sweep has a [grid] or [[runs]], one of the two")
    if sweep.grid:
        names = list(sweep.grid)
        rows = [
            dict(zip(names, row, strict=True)) for row in itertools.product(*sweep.grid.values())
        ]
    else:
        rows = [dict(row) for row in sweep.runs]
    if len(rows) > MAX_CELLS:
        raise UsageError(f"{len(rows)} cells; a sweep has {MAX_CELLS} at most")
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        first = seen.setdefault(_meaning(sweep, row, number), number)
        if first != number:
            once, again = _shown(rows[first]), _shown(row)
            shown = again if once == again else f"{once}; {again}"
            raise UsageError(f"cells {first + 1} and {number + 1} are equal ({shown}); keep one")
    return [Cell(_name(row), row, tuple(_arguments(sweep, row, folder))) for row in rows]


def _arguments(sweep: Sweep, row: Mapping[str, Any], folder: Path) -> Iterator[str]:
    if sweep.recipe.endswith(".toml"):
        yield str(folder / sweep.recipe)
    else:
        yield from ("--plugin", sweep.recipe)
    if sweep.challenge is not None:
        yield from ("--challenge", sweep.challenge)
    if sweep.smoke:
        yield "--smoke"
    if sweep.limit is not None:
        yield from ("--limit", str(sweep.limit))
    yield from ("--device", sweep.device)
    for key, value in {**sweep.settings, **row}.items():
        if key == SEED:
            yield from ("--seed", str(value))
        else:
            yield from ("--set", f"{key}={toml_value(value)}")


def _meaning(sweep: Sweep, row: Mapping[str, Any], number: int) -> str:
    """Return what a cell sets, by the settings' own names: `lr=1` is `learning_rate_max=1.0`.

    Raises:
        UsageError: there is no such setting, one is given twice, or what is called a seed is none;
            the cell is named.
    """
    values = {**sweep.settings, **row}
    seed = values.pop(SEED, DEFAULT_SEED)
    if type(seed) is not int or seed not in SEEDS:
        raise UsageError(
            f"cell {number + 1} ({_shown(row)}): a seed is a whole number from {SEEDS[0]} to"
            f" {SEEDS[-1]} (found {seed!r:.60})"
        )
    try:
        found = parse_overrides(f"{key}={toml_value(value)}" for key, value in values.items())
    except UsageError as error:
        raise UsageError(f"cell {number + 1} ({_shown(row)}): {error}") from None
    plain = {path: _number(value) for path, value in found.values.items()}
    return canonical_json([seed, plain, found.static, found.rules])


def _number(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _name(row: Mapping[str, Any]) -> str:
    """Return a folder's name that says what is set, and stays unique where it is cut."""
    text = "_".join(f"{key.rsplit('.', 1)[-1]}-{value}" for key, value in row.items())
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    if plain == text and len(plain) <= 60:
        return plain
    return f"{plain[:50]}-{sha256_text(canonical_json(dict(row)))[:8]}"


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in row.items())
