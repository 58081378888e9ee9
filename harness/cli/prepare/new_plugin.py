"""`harness new-plugin`: write a small plugin to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write it; default: a directory of that name here.",
)
def command(name: str, out: Path | None) -> None:
    """Write a small, installable plugin called NAME.

    It holds one recipe and one strategy, and passes its own tests as it is.
    """
    from harness.new_plugin import write_plugin

    folder = out or Path(name)
    write_plugin(name, folder)
    typed = shlex.quote(str(folder))
    click.echo(
        f"{folder}: a plugin with one recipe and one strategy\n"
        f"  pip install -e {typed}\n"
        f"  pytest {typed}\n"
        f"  harness run --plugin {name} --smoke"
    )
