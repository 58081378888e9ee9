"""`harness rescore`: a score from a generations file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.document import pretty_json


@click.command()
@click.argument("task")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(task: str, file: Path, as_json: bool) -> None:
    """Recompute the score of FILE, the generations of TASK, upstream's file or ours.

    Checks that rows and order are the official ones. Needs no model and no data set.
    """
    from harness.scoring.rescore import rescore

    result = rescore(task, file)
    click.echo(pretty_json(result) if as_json else as_text(result), nl=not as_json)


def as_text(result: dict[str, Any]) -> str:
    """Return a score as lines for people, in percent."""

    def percent(value: float | None) -> str:
        return "unknown: the file keeps no raw text" if value is None else f"{100 * value:.2f} %"

    low, high = result["interval"]
    rows = [
        ("task", f"{result['task']}, {result['examples']} rows ({result['rows']})"),
        ("accuracy", f"{percent(result['accuracy'])} ({result['correct']} right)"),
        ("worth", f"standard error {percent(result['stderr'])},"
                  f" 95 % interval {percent(low)} to {percent(high)}"),
    ]  # fmt: skip
    if "macro_f1" in result:
        rows.append(("macro-F1", percent(result["macro_f1"])))
    if "mcc" in result:
        rows.append(("MCC", f"{result['mcc']:.4f}"))
    rows.append(("no answer", percent(result["invalid_rate"])))
    rows += [(name.replace("_", " "), percent(v)) for name, v in result["references"].items()]
    rows += [(name, percent(v)) for name, v in result.get("subsets", {}).items()]
    return "\n".join(f"{name:<14} {value}" for name, value in rows)
