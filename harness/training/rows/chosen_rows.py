"""Rows of the fixed data set as a recipe wants them: filtered, then rewritten column by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.errors import PluginError
from harness.planning.settings.templates import COLUMNS, data_faults
from harness.recipe import DataSpec


def choose_rows(
    rows: Sequence[Mapping[str, str]], data: DataSpec, partition: int
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows that a recipe trains on, rewritten, each with its index in the partition.

    Args:
        rows: all rows of the partition, column -> text.
        data: the recipe's filters and templates.
        partition: its number, for messages.

    Raises:
        PluginError: no row of the partition is left, or a pattern or template cannot be used.
    """
    for found, expected in data_faults(data):
        raise PluginError(f"{found}; expected {expected}")
    patterns = [(item, re.compile(item.pattern)) for item in data.filters]
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

    Every template reads the row as it was, after `output_map` alone: what one column becomes does
    not depend on which column is rewritten first.
    """
    old = {**row, "output": data.output_map.get(row["output"], row["output"])}
    new = dict(old)
    for column in COLUMNS:
        template = str(getattr(data, column))
        if template != "{" + column + "}":
            new[column] = template.format(**old)
    return new
