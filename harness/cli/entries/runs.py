"""`harness runs`: the runs in a folder and how far each has come."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.document import pretty_json
from harness.document.units import MIB
from harness.errors import UsageError
from harness.progress import format_duration

RUNS = Path("runs")
"""Where runs are without `--out`; a folder that is not there before the first."""


MEANT = 3
"""Runs that a `--resume` without one is answered with at most."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=RUNS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, `runs/` where none is named, newest first.

    Example: harness runs
    """
    from tabulate import tabulate

    from harness.side_by_side.listing import list_runs

    if folder.is_file() or not (folder.exists() or folder == RUNS):
        found = "a file" if folder.is_file() else "no such folder"
        raise UsageError(f"{folder}: {found}; expected a folder of runs, or one run directory")
    runs = list_runs(folder)
    if as_json:
        click.echo(pretty_json([run.to_json() for run in runs]), nl=False)
        return
    if not runs:
        click.echo(
            f"no runs in {folder}; look elsewhere: harness runs FOLDER, or start one:"
            " harness run --plugin smollm2-dora --smoke"
        )
        return
    rows = [
        (
            run.path,
            run.recipe + (", smoke" if run.smoke else ""),
            run.state,
            "" if run.average is None else f"{100 * run.average:.2f}",
            "" if run.bytes_total is None else f"{run.bytes_total / MIB:,.0f}",
            "" if run.seconds is None else format_duration(run.seconds),
        )
        for run in runs
    ]
    headings = ("run", "recipe", "state", "mean %", "MiB", "time")
    align = ("left", "left", "left", "right", "right", "right")
    click.echo(tabulate(rows, headings, "simple", disable_numparse=True, colalign=align))


def to_resume() -> str:
    """Say which runs a `--resume` that names none may mean; "" where none has stopped here."""
    from harness.side_by_side.listing import list_runs

    found = [run.path for run in list_runs(RUNS) if run.of_rounds and run.average is None]
    more = ", ..." if len(found) > MEANT else ""
    return f": {', '.join(map(shlex.quote, found[:MEANT]))}{more}" if found else ""
