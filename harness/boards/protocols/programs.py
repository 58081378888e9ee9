"""Boards whose outputs are programs: an answer is right when it passes its tests.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/code, and the scorer that it calls,
yan-gao-GY/bigcode-evaluation-harness, at 2026-03-29.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from harness.boards.board import Board
from harness.boards.protocol import PublishedRow, Reading
from harness.errors import EvaluationError

PASSED = "passed"
"""The one answer that is right."""


class ProgramReader:
    """What the published files of programs say. Nothing is executed here, so nothing is recounted:
    whether a program passes does not follow from its text."""

    rederivable = False

    def __init__(self, board: Board) -> None:
        """Take the board's name for messages."""
        self.board_id = board.id

    def read(self, task: str, output: str, target: str) -> Reading:
        """Refuse: a program must be executed.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError(
            f"{task}: whether a program passes does not follow from its text; its accuracy is"
            " taken from the project's own results file"
        )

    def answers(self, task: str) -> tuple[str, ...]:
        """Return the two answers that executing a program gives."""
        return (PASSED, "failed")

    def targets(self, task: str) -> tuple[str, ...]:
        """Return the one answer that is right."""
        return (PASSED,)

    def measures(
        self, task: str, targets: Sequence[str], answers: Sequence[str]
    ) -> dict[str, float]:
        """Return nothing: pass@1 is the accuracy, and programs are no classes."""
        return {}

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return nothing: no constant answer passes a test."""
        return {}

    def accuracy_file(self, task: str) -> str:
        """Return a regular expression for `<run>/evaluation_results_<task>.json`."""
        return rf"(?:(?:.*/)?(?P<run>[^/]*)/)?evaluation_results_{re.escape(task)}\.json"

    def stated_accuracy(self, task: str, text: str) -> str | None:
        """Return pass@1 in the text of a results file."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        results = value.get(task) if isinstance(value, dict) else None
        score = results.get("pass@1") if isinstance(results, dict) else None
        return repr(score) if type(score) in (int, float) else None

    def generations_file(self, task: str) -> str | None:
        """Return None: programs are not recounted."""
        return None

    def published(self, path: Path) -> list[PublishedRow]:
        """Refuse, as `read` does.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError(
            f"{path}: programs of {self.board_id} are not executed here; expected generations that"
            " can be read"
        )
