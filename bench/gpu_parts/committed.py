"""A committed submission's official evaluation on this device, against its committed answers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subject import Subject


def committed(subject: Subject, results: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the adapter of `--submission` on `--model`; count labels and texts that are equal.

    The committed answers are those of the machine on which the run was made. Rows that differ are
    returned with both texts.

    Raises:
        ValueError: a label that the submission holds is not of the rows of `--mirror`.
    """
    from harness.boards.registry import protocol_of
    from harness.evaluation.engine import load_engine

    options = subject.options
    if not (options.submission and options.model and options.mirror):
        return {"left_out": "needs --submission, --model and --mirror"}
    protocol = protocol_of(subject.resolved.challenge)
    sets = subject.questions()
    wanted = options.rows or sum(len(item.rows) for item in sets.values())
    begin = time.perf_counter()
    engine = load_engine(
        options.model, options.submission / "adapter", protocol, wanted, subject.device, 8
    )
    found: dict[str, Any] = {"load_s": round(time.perf_counter() - begin, 2), "sets": {}}
    for task, item in sets.items():
        lines = (options.submission / "generations" / f"{task}.jsonl").read_text().splitlines()
        theirs = [json.loads(line) for line in lines]
        if len(theirs) != len(item.rows):
            raise ValueError(f"{task}: {len(theirs)} committed answers for {len(item.rows)} rows")
        start = time.perf_counter()
        plans = list(enumerate(engine.plan(task, item.rows)))[: options.rows]
        ours = {text.row: text for text in engine.answers(plans)}
        spent = time.perf_counter() - start
        other = []
        labels = texts = 0
        for number, text in ours.items():
            row = item.rows[number]
            output = protocol.output_of(row.context, text.text, "")
            label = protocol.read(task, output, row.target).answer
            texts += output == theirs[number]["output"]
            labels += label == theirs[number]["label"]
            if label != theirs[number]["label"]:
                other.append([number, theirs[number]["output"][:80], output[:80]])
        found["sets"][task] = {"rows": len(ours), "labels_equal": labels, "texts_equal": texts,
                               "seconds": round(spent, 2), "other": other}  # fmt: skip
    found["all_s"] = round(time.perf_counter() - begin, 2)
    return found


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the section's lines of the table."""
    if "left_out" in found:
        return [("committed answers", found["left_out"])]
    sets = found["sets"].values()
    rows, labels, texts = (
        sum(item[name] for item in sets) for name in ("rows", "labels_equal", "texts_equal")
    )
    value = f"{labels} labels and {texts} texts of {rows} rows, {found['all_s']} s"
    return [("equal to the committed answers", value)]
