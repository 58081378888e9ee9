"""`harness new-plugin`: write a small plugin to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.document import pretty_json


@click.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write it; default: a directory of that name here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(name: str, out: Path | None, as_json: bool) -> None:
    """Write a small, installable plugin called NAME.

    It holds one recipe and one strategy, and passes its own tests as it is.
    """
    from harness.new_plugin import write_plugin

    folder = out or Path(name)
    files = write_plugin(name, folder)
    if as_json:
        value = {"folder": str(folder), "files": [str(path) for path in files]}
        click.echo(pretty_json(value), nl=False)
        return
    typed = shlex.quote(str(folder))
    click.echo(
        f"{folder}: a plugin with one recipe and one strategy\n"
        f"  pip install -e {shlex.quote(f'{folder}[test]')}\n"
        f"  pytest {typed}\n"
        f"  harness run --plugin {name} --smoke"
    )
