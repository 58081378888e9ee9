"""`harness doctor`: whether this machine is ready for a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import mirror_option
from harness.document import pretty_json
from harness.errors import PluginError, SourceError

if TYPE_CHECKING:
    from harness.machine.doctor import Look

MARKS = {"good": ("ok", "green"), "absent": ("-", "yellow"), "lacking": ("NO", "red")}


@click.command()
@mirror_option
@click.option("--offline", is_flag=True, help="Do not try a connection to the hub.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(mirror: Path | None, offline: bool, as_json: bool) -> None:
    """Look at packages, memory, GPU, disk, cache, mirror, hub, network, isolation and plugins.

    Nothing is changed, downloaded or started; plugins are imported.

    Exits with 7 when a run would lack something that it needs.

    Example: harness doctor --mirror ~/hub
    """
    from harness.machine.doctor import examine

    looks = [*examine(mirror, ask_hub=not offline), *_plugins()]
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


def _plugins() -> list[Look]:
    """Load every installed plugin, and return those that do not load, or how many there are."""
    from harness.document.units import how_many
    from harness.machine.doctor import Look
    from harness.plugins import discover, load

    try:
        known = discover()
    except PluginError as error:
        return [Look("plugins", "lacking", str(error), "no plugin is found until then")]
    if not known:
        install = "in a clone of the harness: pip install -r requirements.txt"
        return [Look("plugins", "lacking", "none is installed", install)]
    broken = []
    for name in known:
        try:
            load(name)
        except PluginError as error:
            broken.append(Look("plugins", "absent", str(error), "all others can be used"))
    return broken or [Look("plugins", "good", f"{how_many(len(known), 'plugin')}, each loads")]
