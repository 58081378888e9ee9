"""The official rows of the code sets: prompts, and the tests that are appended to a program.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/code at 2026-03-29, which calls
yan-gao-GY/bigcode-evaluation-harness: bigcode_eval/tasks/{humaneval,mbpp,multiple}.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.boards.rows import Row
from harness.boards.tables import read_table
from harness.errors import MissingExtraError

COLUMNS = {"mbpp": ("text", "test_list"), "humaneval": ("prompt", "test", "entry_point")}
"""Task -> the columns that are read, where they are not those of `MULTIPL_E`."""

MULTIPL_E = ("prompt", "tests")


def read_rows(task: str, file: Path) -> list[Row]:
    """Return the rows of a set: each one's prompt, and as its target the tests of its program.

    A whole program is `prompt + completion + "\\n" + tests`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        EvaluationError: the file cannot be read, or lacks a column.
    """
    try:
        return [_row(task, each) for each in read_table(file, COLUMNS.get(task, MULTIPL_E))]
    except ImportError:
        raise MissingExtraError(
            f"reading the tests of {task} needs pyarrow; run"
            " `pip install 'flowertune-harness[run]'`"
        ) from None


def _row(task: str, values: Mapping[str, Any]) -> Row:
    if task == "mbpp":
        checks = values["test_list"]
        return Row(f'"""\n{values["text"]}\n{checks[0]}\n"""\n', "\n".join(checks))
    if task == "humaneval":
        tests = f"\n{values['test']}\ncheck({values['entry_point']})"
        return Row(values["prompt"].strip(), tests)
    return Row(values["prompt"].strip(), values["tests"])
