"""`harness frontier`: what the kept rounds of one run are worth against what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.document import pretty_json
from harness.document.units import MIB, how_many
from harness.progress import format_duration

if TYPE_CHECKING:
    from harness.frontier.frontier import Frontier, Point


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--rows", type=click.IntRange(32), default=256, show_default=True,
              help="Held-out training rows to choose by.")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Default: the run's.")
@click.option("--threads", type=click.IntRange(1), help="torch threads; default: all processors.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False),
              help="Picture of it, FILE.png or FILE.svg.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    run_dir: Path, rows: int, device: str | None, threads: int | None, plot: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show accuracy against MiB and seconds over the rounds that RUN_DIR has kept.

    The best round is chosen by training rows that no client of the run had, never by the official
    ones. A round that was answered once is not answered again. Official rows of a round that is not
    the last: harness evaluate RUN_DIR --round K.

    Example: harness frontier runs/mine --plot frontier.png
    """
    from harness.frontier.frontier import frontier
    from harness.frontier.picture import plot_frontier

    found = frontier(run_dir, rows, device, threads, quiet)
    if plot is not None:
        plot_frontier(found, plot)
    if as_json:
        click.echo(pretty_json(as_value(found)), nl=False)
    else:
        click.echo(as_text(found))


def as_value(found: Frontier) -> dict[str, Any]:
    """Return the frontier as a JSON value."""
    front = found.undominated()
    return {
        "run": str(found.path),
        "recipe": found.label,
        "held_out_rows": len(found.best.right),
        "rows_sha256": found.rows_sha256,
        "best": found.best.round,
        "cheapest_as_good": found.cheapest.round,
        "official_rows_seen_of_rounds": [p.round for p in found.points if p.official is not None],
        "rounds": [
            {
                "round": point.round,
                "bytes_total": point.bytes_total,
                "seconds": round(point.seconds, 3),
                "train_loss": point.train_loss,
                "held_out": {
                    "value": point.value,
                    "correct": sum(point.right),
                    "interval": list(point.interval),
                    "p_of_best": found.p_of_best(point),
                },
                "official": point.official,
                "on_frontier": point.round in front,
            }
            for point in found.points
        ],
    }


def as_text(found: Frontier) -> str:
    """Return the frontier as a table for people."""
    from tabulate import tabulate

    front = found.undominated()
    rows = [_line(found, point, point.round in front) for point in found.points]
    headings = ("round", "MiB", "time", "loss", "held out %", "95 %", "p", "official %")
    table = tabulate(rows, headings, "simple", disable_numparse=True)
    best, cheapest = found.best, found.cheapest
    seen = [point.name for point in found.points if point.official is not None]
    lines = [
        f"* no earlier round is as good; p: of being as good as the best, over"
        f" {how_many(len(best.right), 'training row')} that no client had",
        f"best: {best.name}",
    ]
    if cheapest.round != best.round:
        lines.append(f"not told apart from it, and cheaper: {cheapest.name}")
    if seen:
        lines.append(f"official rows have been looked at for {', '.join(seen)}")
    return "\n".join([table, "", *lines])


def _line(found: Frontier, point: Point, undominated: bool) -> tuple[str, ...]:
    low, high = point.interval
    return (
        f"{point.round}{'*' if undominated else ''}" if point.round else "untrained",
        f"{point.bytes_total / MIB:,.1f}",
        format_duration(point.seconds),
        "" if point.train_loss is None else f"{point.train_loss:.4f}",
        f"{100 * point.value:.2f}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        f"{found.p_of_best(point):.3f}",
        "" if point.official is None else f"{100 * point.official:.2f}",
    )
