"""`harness up`: a SuperLink and its SuperNodes, started here or written as files."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path

import click

from harness.cli.options import FOLDER
from harness.processes.signals import answering_signals


@click.command()
@click.option("--supernodes", type=click.IntRange(1, 10_000), required=True, help="How many.")
@click.option(
    "--folder",
    type=FOLDER,
    default=Path("deployment"),
    show_default=True,
    help="For keys, state, logs and configuration; one of an earlier call is gone on with.",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Where SuperNodes and callers reach the SuperLink.",
)
@click.option("--port", type=click.IntRange(1, 65_000), default=9710, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Clients of one machine that train at the same time.",
)
@click.option("--mirror", default="", metavar="DIR", help="Models and data of the SuperNodes.")
@click.option(
    "--write",
    "form",
    type=click.Choice(["compose", "kubernetes", "systemd"]),
    help="Start nothing: write files for real machines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(
    supernodes: int, folder: Path, address: str, port: int, workers: int, mirror: str,
    form: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make certificates and keys, start a SuperLink and SuperNodes, and register them.

    TLS and SuperNode authentication are on. Runs until it is ended; whatever ends before is
    started again. Then, elsewhere: harness run --superlink DIR ...
    """
    from harness.document import pretty_json
    from harness.federation.deployment.plan import Deployment
    from harness.federation.deployment.up import prepare, up
    from harness.federation.deployment.written import write_form
    from harness.machine.versions import require_run_extra

    deployment = Deployment(
        supernodes=supernodes,
        address=address,
        port=port,
        first_runtime_port=port + 1,
        workers=workers,
        mirror=str(Path(mirror).expanduser().absolute()) if mirror and form is None else mirror,
    )
    if form is not None:
        prepare(deployment, folder)
        written = [str(path) for path in write_form(form, deployment, folder)]
        click.echo(pretty_json({"files": written}).rstrip() if as_json else "\n".join(written))
        return
    require_run_extra()
    stop = threading.Event()

    def say(line: str) -> None:
        click.echo(line, err=True)

    with answering_signals(stop.set), up(deployment, folder, say, stop):
        if as_json:
            connected = {"superlink": str(folder.absolute()), "supernodes": supernodes}
            click.echo(pretty_json(connected), nl=False)
        say(f"{supernodes} SuperNodes are connected; on this machine run")
        say(f"  harness run --superlink {shlex.quote(str(folder.absolute()))} --plugin ...")
        stop.wait()
