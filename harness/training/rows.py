"""What a recipe makes of the fixed data set's rows: filters, then new columns."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from harness.errors import PluginError
from harness.recipe import DataSpec

COLUMNS = ("instruction", "input", "output")


def choose_rows(
    rows: Sequence[Mapping[str, str]], data: DataSpec, partition: int
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows that a recipe trains on, rewritten, each with its index in the partition.

    Raises:
        PluginError: no row of the partition is left, or a pattern or template cannot be used.
    """
    patterns = [(item, _compiled(item.pattern)) for item in data.filters]
    kept = [
        (index, row)
        for index, row in enumerate(rows)
        if all(bool(p.search(row[f.column])) == (f.keep == "matching") for f, p in patterns)
    ]
    if not kept:
        raise PluginError(
            f"partition {partition}: train.data.filters keep none of its {len(rows)} rows;"
            " a client without rows cannot train"
        )
    return [(index, rewritten(row, data)) for index, row in kept]


def rewritten(row: Mapping[str, str], data: DataSpec) -> dict[str, str]:
    """Return a row with its new columns.

    Raises:
        PluginError: a template is no format string over the three columns.
    """
    old = {**row, "output": data.output_map.get(row["output"], row["output"])}
    new = dict(old)
    for column in COLUMNS:
        template = str(getattr(data, column))
        if template != "{" + column + "}":
            new[column] = _filled(template, old, f"train.data.{column}")
    return new


def _filled(template: str, row: Mapping[str, str], where: str) -> str:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise PluginError(f"{where}: {error}; correct it") from None
    if fields - set(COLUMNS):
        raise PluginError(f"{where} names {sorted(fields - set(COLUMNS))}; expected only {COLUMNS}")
    return template.format(**row)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PluginError(f"train.data.filters: {pattern!r} is no pattern ({error})") from None
