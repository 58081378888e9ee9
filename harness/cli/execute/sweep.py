"""`harness sweep`: one recipe over a grid of settings and seeds."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, mirror_option
from harness.document import pretty_json
from harness.document.units import MIB
from harness.errors import FederationError
from harness.processes.signals import answering_signals, interrupt
from harness.progress import format_duration, say

if TYPE_CHECKING:
    from harness.side_by_side.sweep import Group


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=FOLDER, help="Folder of the runs; default: runs/ and the file's name.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Cells at once, at most; fewer where memory does not allow them.",
)
@mirror_option
@click.option("--dry-run", is_flag=True, help="List and check the cells, and start none.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON value.")
def command(
    file: Path, out: Path | None, jobs: int, mirror: Path | None, dry_run: bool, as_json: bool
) -> None:  # fmt: skip
    """Run every cell of the sweep in FILE.toml, and print mean and spread over the seeds.

    Before the first run all are planned, and one that would be refused is named.

    A sweep that was stopped or killed goes on with the same command. Cells that fail are listed,
    and the exit code is 6.

    Example: harness sweep strategies.toml --jobs 2
    """
    from harness.document.toml_text import read_toml_document
    from harness.machine.machine import this_machine
    from harness.record.file_names import SPEC
    from harness.side_by_side.cell_processes import (
        CellProcesses,
        at_once,
        other_run,
        planned,
    )
    from harness.side_by_side.sweep import groups_of, run_sweep
    from harness.side_by_side.sweep_file import Sweep, cells_of

    cells = cells_of(read_toml_document(Sweep, file), file.parent)
    folder = out or Path("runs") / file.stem
    if dry_run:
        for cell in cells:
            click.echo(f"{folder / cell.name}: harness run {shlex.join(cell.arguments)}")
    plans = planned([cell for cell in cells if not (folder / cell.name / SPEC).is_file()], mirror)
    if dry_run:
        return
    estimates = [plan["estimate"] for plan in plans]
    if (fitting := at_once(jobs, estimates, this_machine())) < jobs:
        say(f"{fitting} of {jobs} cells at once: more do not fit into memory by forecast")
        jobs = fitting
    with answering_signals(interrupt), CellProcesses() as runs:
        results = run_sweep(
            cells,
            folder,
            jobs=jobs,
            mirror=mirror,
            start=runs,
            stop=runs.stop,
            differs=partial(other_run, mirror=mirror),
            said=say,
        )
    groups = groups_of(results)
    if as_json:
        click.echo(pretty_json([as_value(group) for group in groups]), nl=False)
    else:
        click.echo(as_text(groups))
    failed = [item for item in results if item.record is None]
    if failed:
        first = failed[0]
        raise FederationError(
            f"{len(failed)} of {len(results)} cells without a result, the first:"
            f" {first.cell.name} ({first.problem}); the same command goes on"
        )


def as_value(group: Group) -> dict[str, object]:
    """Return one line of the table as a JSON value."""
    return {
        "values": dict(group.values),
        "averages": list(group.averages),
        "mean": group.mean,
        "spread": group.spread,
        "missing": group.missing,
        "bytes_total": group.bytes_total,
        "seconds": group.seconds,
    }


def as_text(groups: list[Group]) -> str:
    """Return the table: one line for cells that differ in their seed alone."""
    from tabulate import tabulate

    rows = [
        (
            ", ".join(f"{key}={value}" for key, value in group.values.items()) or "the recipe",
            len(group.averages),
            "" if group.mean is None else f"{100 * group.mean:.2f}",
            "" if group.spread is None else f"{100 * group.spread:.2f}",
            "" if group.bytes_total is None else f"{group.bytes_total / MIB:,.1f}",
            "" if group.seconds is None else format_duration(group.seconds),
        )
        for group in groups
    ]
    headings = ("settings", "seeds", "mean %", "spread", "MiB", "time")
    table = tabulate(rows, headings, "simple", disable_numparse=True)
    return f"{table}\n\nspread: sample standard deviation over the seeds; MiB and time: means"
