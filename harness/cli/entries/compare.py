"""`harness compare`: what tells finished runs apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.document import pretty_json
from harness.document.units import MIB
from harness.progress import format_duration

if TYPE_CHECKING:
    from harness.side_by_side.comparing import ComparedRun, Setting


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Picture of the loss curves, FILE.png or FILE.svg.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(runs: tuple[Path, ...], plot: Path | None, as_json: bool) -> None:  # fmt: skip
    """Compare RUNS, run directories or submissions; the first is what the others are held against.

    Settings that differ, scores with a paired test over the rows, bytes, seconds and losses.

    Example: harness compare runs/a runs/b --plot losses.png
    """
    from harness.side_by_side.comparing import compare_runs, plot_losses

    compared, settings = compare_runs(runs)
    if plot is not None:
        plot_losses(compared, plot)
    if as_json:
        value = {
            "runs": [run.to_json() for run in compared],
            "settings": [item.to_json() for item in settings],
        }
        click.echo(pretty_json(value), nl=False)
        return
    click.echo(as_text(compared, settings))


def as_text(runs: list[ComparedRun], settings: list[Setting]) -> str:
    """Return the comparison as lines for people: one column a run."""
    from tabulate import tabulate

    from harness.leaderboard.compare import LEVEL

    names = [chr(ord("A") + number) if number < 26 else str(number) for number in range(len(runs))]
    lines = [f"{name}  {run.path}" for name, run in zip(names, runs, strict=True)]
    rows = [
        [f"{task} %", *(f"{100 * run.entry.scores[task].value:.2f}" for run in runs)]
        for task in runs[0].entry.scores
    ]
    rows.append(["mean %", *(f"{100 * run.record.average:.2f}" for run in runs)])
    rows.append(["p of A's mean", *("" if run.p is None else f"{run.p:.3g}" for run in runs)])
    rows.append(
        ["rows unlike A's", *(str(sum(run.differing_rows.values())) if n else ""
                              for n, run in enumerate(runs))]
    )  # fmt: skip
    rows.append(["MiB", *(f"{run.record.communication.bytes_total / MIB:,.2f}" for run in runs)])
    rows.append(["time", *(format_duration(sum(run.record.timing.values())) for run in runs)])
    rows.append(["last loss", *(f"{run.record.federation.rounds[-1].train_loss:.4f}"
                                for run in runs)])  # fmt: skip
    rows += [
        [item.name, *("-" if value is None else _short(value) for value in item.values)]
        for item in settings
    ]
    table = tabulate(rows, ["", *names], "simple", disable_numparse=True)
    apart = [n for n, run in zip(names, runs, strict=True) if run.p is not None and run.p < LEVEL]
    verdict = (
        f"apart from A by more than chance (p < {LEVEL}): {', '.join(apart)}"
        if apart
        else f"no run is told apart from A at p < {LEVEL}"
    )
    if not settings:
        verdict += "; all settings are equal"
    return "\n".join([*lines, "", table, "", verdict])


def _short(value: object) -> str:
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= 40 else f"{text[:37]}..."
