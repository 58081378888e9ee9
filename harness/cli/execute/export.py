"""`harness export`: a recipe as a Flower App directory."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.cli.options import mirror_option
from harness.cli.request import request_of, request_options
from harness.errors import UsageError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@request_options
@mirror_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    folder: Path, plugin: str | None, file: Path | None, mirror: Path | None, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Write a stand-alone Flower App directory of a recipe, for `flwr run`.

    The app holds the resolved spec; its ServerApp and ClientApp are the harness's.
    """
    from harness.document import pretty_json
    from harness.federation.superlink.app_directory import AS_INSTALLED, refused_folder, write_app
    from harness.planning.resolve import resolve
    from harness.planning.rules import refuse
    from harness.sources.hub_model import hub_model

    request = request_of(plugin, file, **options)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; choose another directory")
    resolved = resolve(request, hub_models=partial(hub_model, mirror=mirror))
    refuse(resolved.violations)
    write_app(folder, resolved.spec, resolved.challenge)
    if (why := refused_folder(folder)) is not None:
        click.echo(f"note: {why}", err=True)
    nodes = resolved.challenge.num_supernodes
    flwr = (
        f"{AS_INSTALLED} flwr run {shlex.quote(str(folder))} --stream"
        f' --federation-config "num-supernodes={nodes} client-resources-num-cpus=1"'
    )
    if as_json:
        click.echo(pretty_json({"folder": str(folder), "command": flwr}), nl=False)
    else:
        click.echo(f"{folder}: run it with\n  {flwr}")
