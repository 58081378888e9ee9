"""`harness verify`: check results and submissions from their files alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.document import pretty_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.verify.report import Report


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules instead.")
def command(paths: tuple[Path, ...], as_json: bool, list_rules: bool) -> None:
    """Check each PATH: a result.json, a submission folder, a run directory, or a tree of them.

    Of a single run it also says the average, whether it is eligible, why not, and what to do next.
    Exits with 0 only if no rule is broken, else with 1.
    """
    from harness.submissions.check import EVERY_RULE, verify

    if list_rules:
        click.echo("\n".join(f"{rule.id:<18} {rule.title} ({rule.source})" for rule in EVERY_RULE))
        return
    if not paths:
        raise UsageError("no PATH given; give a result.json, a submission folder or a tree of them")
    report = verify(paths)
    if as_json:
        click.echo(pretty_json(report.model_dump(mode="json")), nl=False)
    else:
        click.echo(as_text(report))
    if not report.clean:
        sys.exit(1)


def as_text(report: Report) -> str:
    """Return a report as lines for people, its verdict in colour."""
    *lines, last = report.lines()
    said, _, verdict = last.rpartition(": ")
    colour = "green" if report.clean else "red"
    return "\n".join([*lines, f"{said}: {click.style(verdict, colour)}"])
