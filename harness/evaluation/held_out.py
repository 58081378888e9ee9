"""Answers to rows that are not the official ones: what rounds of a run are chosen by.

The rows come with the order. They are put to the model as the board's own are, in a process that
loads no plugin; what comes back is each answer and whether it is right, and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness.boards.rows import Row
from harness.document import sha256_file
from harness.evaluation.evaluated_run import EvaluatedRun
from harness.evaluation.held_out_row import HeldOutAnswers, HeldOutRow
from harness.evaluation.inputs import refuse_other_inputs
from harness.evaluation.row_work import row_meter
from harness.record.file_names import ADAPTER_WEIGHTS


def answer_held_out(
    run: EvaluatedRun,
    rows: Sequence[HeldOutRow],
    threads: int,
    quiet: bool = False,
    adapter_sha256: str | None = None,
) -> HeldOutAnswers:
    """Answer rows as the official ones are answered, and read the answers alike.

    Args:
        run: model, adapter and device.
        rows: at least one.
        threads: processors to use.
        quiet: print no progress.
        adapter_sha256: of the weights that are expected; None for the untrained base.

    Raises:
        EvaluationError: model, adapter or data are not the run's or cannot be used.
    """
    from harness.evaluation.engine import load_engine

    begin = time.monotonic()
    refuse_other_inputs(run.spec, run.challenge, run.assets, run.adapter_dir, adapter_sha256)
    protocol, task = run.protocol, run.challenge.evaluation[0].task
    engine = load_engine(
        Path(run.assets.model_dir),
        run.adapter_dir,
        protocol,
        len(rows),
        run.device,
        threads,
        run.spec.model.trust_remote_code,
        run.greedy_noted,
    )
    plans = engine.plan(task, [Row(item.context, item.target) for item in rows])
    right = [False] * len(rows)
    meter, work = row_meter("held-out answers", [plan.ids for plan in plans], quiet)
    with closing(engine.answers(list(enumerate(plans)))) as found:
        for done in found:
            row = rows[done.row]
            output = protocol.output_of(row.context, done.text, done.new_text)
            right[done.row] = protocol.read(task, output, row.target).correct
            meter.advance(work=work[done.row])
    folder = run.adapter_dir
    return HeldOutAnswers(
        adapter_sha256=None if folder is None else sha256_file(folder / ADAPTER_WEIGHTS),
        right=tuple(right),
        duration_s=time.monotonic() - begin,
    )
