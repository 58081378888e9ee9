"""Generation files of a run directory: the harness's own form, prompts included."""

from __future__ import annotations

from pathlib import Path

from harness.scoring.published import read_answers
from harness.scoring.rows import Row, row_digest
from harness.verify.generations import Generations


def read_run_generations(path: Path) -> Generations:
    """Read a run directory's generations file.

    Raises:
        RecordError: not readable.
        EvaluationError: a line lacks a field.
    """
    answers = read_answers(path)
    return Generations(
        rows=tuple(row_digest(Row(item.context, item.target)) for item in answers),
        targets=tuple(item.target for item in answers),
        labels=tuple(item.predicted for item in answers),
        outputs=tuple(item.output for item in answers),
    )
