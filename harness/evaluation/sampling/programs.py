"""The rows of a set of programs: drawn in order, then executed, each step kept as it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.boards.execution import execute
from harness.boards.protocol import ProgramForm
from harness.boards.protocols.programs import program_of
from harness.boards.rows import Row
from harness.errors import EvaluationError
from harness.evaluation.journal import Journal
from harness.progress import Meter

if TYPE_CHECKING:
    from harness.evaluation.sampling.sampler import Sampler


def fill(
    task: str,
    rows: Sequence[Row],
    journal: Journal,
    load: Callable[[], Sampler],
    form: ProgramForm,
    quiet: bool,
) -> None:
    """Draw and execute what the journal of a set lacks.

    A line is kept when its completion is drawn, with the state of the random numbers after it, and
    again, without that state, when its program was executed. So a command that is killed anywhere
    goes on with the same numbers, and executes again only what it had not kept.

    Args:
        task: evaluation set.
        rows: its rows that are evaluated, in order.
        journal: of its answers.
        load: loads the model.
        form: what the set asks of its programs.
        quiet: print no progress.

    Raises:
        EvaluationError: kept rows are not the first ones; or nothing executes programs here.
    """
    _draw(task, rows, journal, load, quiet)
    waiting = [row for row in range(len(rows)) if "new_out" not in journal.rows[row]]
    meter = Meter(f"{task}: executed", len(rows), "programs", quiet=quiet)
    meter.skip(len(rows) - len(waiting))
    if not waiting:
        return
    programs = [
        program_of(rows[row].context, journal.rows[row]["output"], rows[row].tests)
        for row in waiting
    ]
    done = execute(programs, form.language, progress=lambda *_: meter.advance())
    for row, verdict in zip(waiting, done.verdicts, strict=True):
        line = {
            name: value
            for name, value in journal.rows[row].items()
            if name not in ("row", "context", "random")
        }
        journal.append(
            row,
            line
            | {
                "new_out": verdict.outcome,
                "attempts": [each.model_dump(mode="json") for each in verdict.attempts],
                "toolchain": done.toolchain,
            },
        )


def _draw(
    task: str, rows: Sequence[Row], journal: Journal, load: Callable[[], Sampler], quiet: bool
) -> None:
    first = len(journal.rows)
    meter = Meter(f"{task}: drawn", len(rows), "programs", quiet=quiet)
    meter.skip(first)
    if first == len(rows):
        return
    if set(journal.rows) != set(range(first)):
        raise EvaluationError(
            f"{journal.partial}: rows are missing between kept ones, and each is drawn with the"
            " numbers that the row before it left; remove the file and evaluate again"
        )
    random: Any = journal.rows[first - 1].get("random", "") if first else ""
    sampler = load()
    meter.begin()
    for drawn in sampler.draw(task, [row.context for row in rows], first, random):
        row = rows[drawn.row]
        journal.append(
            drawn.row,
            {
                "target": row.target,
                "output": drawn.completion,
                "ended": "stop word" if drawn.stopped else "length",
                "steps": drawn.steps,
                "new_target": row.target,
                "random": drawn.random,
            },
        )
        meter.advance(note=f"row {drawn.row}")
