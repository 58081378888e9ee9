"""`harness doctor`: whether this machine is ready for a run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import mirror_option
from harness.document import pretty_json
from harness.errors import SourceError

MARKS = {"good": ("ok", "green"), "absent": ("-", "yellow"), "lacking": ("NO", "red")}


@click.command()
@mirror_option
@click.option("--offline", is_flag=True, help="Do not try a connection to the hub.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(mirror: Path | None, offline: bool, as_json: bool) -> None:
    """Look at packages, memory, GPU, disk, cache, mirror, hub, network and the kernel's isolation.

    Nothing is changed, downloaded or started.

    Exits with 7 when a run would lack something that it needs.

    Example: harness doctor --mirror ~/hub
    """
    from harness.machine.doctor import examine

    looks = examine(mirror, ask_hub=not offline)
    if as_json:
        click.echo(pretty_json([look.to_json() for look in looks]), nl=False)
    else:
        for look in looks:
            advice = f"; {look.advice}" if look.advice else ""
            mark, colour = MARKS[look.verdict]
            click.echo(f"{click.style(f'{mark:<3}', colour)} {look.name:<9} {look.found}{advice}")
    lacking = [look.name for look in looks if look.verdict == "lacking"]
    if lacking:
        raise SourceError(f"not ready for a run: {', '.join(lacking)}, see above")
    if not as_json:
        click.echo("ready; try: harness run --plugin smollm2-dora --smoke")
