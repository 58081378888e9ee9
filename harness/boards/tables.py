"""Rows of a data set's file as dictionaries, with the columns that a board reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.document import parse_json
from harness.errors import EvaluationError, MissingExtraError, how_to_install

T = TypeVar("T")


def made_of_rows(
    path: Path, columns: Sequence[str], make: Callable[[dict[str, Any]], T], what: str, dataset: str
) -> list[T]:
    """Return what is made of each row of a file, in order.

    Args:
        path: of the file.
        columns: that `make` reads.
        make: takes a row.
        what: what a row should be, for messages: `question of medqa`.
        dataset: where the file can be had again.

    Raises:
        MissingExtraError: see `read_table`.
        EvaluationError: the file cannot be read, lacks a column, or a row is no such thing.
    """
    made = []
    for number, row in enumerate(read_table(path, columns)):
        try:
            made.append(make(row))
        except (TypeError, AttributeError, KeyError, IndexError, ValueError) as error:
            raise EvaluationError(
                f"{path}: row {number}: no {what} ({error!r}); fetch {dataset} again"
            ) from None
    return made


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a parquet or JSON file in order, the named columns of each.

    Raises:
        MissingExtraError: the file is parquet and pyarrow is not installed.
        EvaluationError: the file cannot be read, or lacks a column.
    """
    try:
        rows = _parquet(path) if path.suffix == ".parquet" else _json(path)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({error}); fetch it again") from None
    lack = sorted({name for row in rows for name in columns if name not in row})
    if lack:
        found = ", ".join(rows[0])
        raise EvaluationError(
            f"{path}: no column {', '.join(lack)}; found {found}, expected {', '.join(columns)}:"
            " is it the file of another set?"
        )
    return [{name: row[name] for name in columns} for row in rows]


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            f"reading {path.name} needs pyarrow; {how_to_install('run')}"
        ) from None
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def _json(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    if text.lstrip()[:1] == "[":
        rows: list[dict[str, Any]] = parse_json(text, str(path))
    else:
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    return rows
