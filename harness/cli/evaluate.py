"""`harness evaluate`: evaluate a run directory, or finish what a killed evaluation began."""

from __future__ import annotations

from pathlib import Path

import click

from harness.record import Score, Scores


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: the run's.")
@click.option("--threads", type=click.IntRange(1), help="torch threads; default: all processors.")
@click.option("--json", "as_json", is_flag=True, help="Print scores.json.")
def command(run_dir: Path, device: str | None, threads: int | None, as_json: bool) -> None:
    """Evaluate RUN_DIR where it stopped; rows that are there are never generated again.

    Runs in a process that loads no plugin. Nothing is loaded when all rows are there.
    """
    from harness.document import pretty_json, read_document
    from harness.evaluation.launch import evaluate_run

    evaluate_run(run_dir, device, threads)
    scores = read_document(Scores, run_dir / "scores.json")
    click.echo(
        pretty_json(scores.model_dump(mode="json")) if as_json else as_text(scores),
        nl=not as_json,
    )


def as_text(scores: Scores) -> str:
    """Return the scores as a table for people, in percent."""
    from tabulate import tabulate

    headers = ("measure", "set", "rows", "%", "95 % interval", "macro-F1", "MCC",
               "no label", "empty", "best const.", "majority", "leaked", "% clean")  # fmt: skip
    rows = [_line(item) for item in scores.scores]
    table: str = tabulate(rows, headers, disable_numparse=True)
    return table


def _line(item: Score) -> tuple[str, ...]:
    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.2f}"

    low, high = item.interval
    leak = item.leak
    return (
        "official" if item.metric == "accuracy" else "log-likelihood",
        item.task,
        str(item.examples),
        percent(item.value),
        f"{percent(low)} to {percent(high)}",
        percent(item.macro_f1),
        f"{item.mcc:.3f}",
        percent(item.invalid_rate),
        percent(item.references["empty_answer"]),
        percent(item.references["best_constant"]),
        percent(item.references["majority"]),
        "" if leak is None else f"{leak.exact_rows}/{leak.text_rows}",
        "" if leak is None else percent(leak.clean_value),
    )
