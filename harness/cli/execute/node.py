"""`harness node`: answers for the SuperNodes of this machine, and keeps models between messages."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import click

from harness.processes.signals import answering_signals


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="HOST:PORT...")
@click.option(
    "--secret",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="File that the SuperNodes were started with (--superexec-auth-secret-file).",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Clients that train at the same time; each loads the model once.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(addresses: tuple[str, ...], secret: Path, workers: int, as_json: bool) -> None:
    """Train for SuperNodes that run with --isolation process; HOST:PORT are their Runtime APIs.

    Takes the place of flower-superexec, which starts a new process for every message. Runs until
    it is ended; a worker that ends is started again.
    """
    from harness.document import pretty_json
    from harness.federation.deployment.kept_alive import Kept, end_all
    from harness.federation.deployment.plan import WORKER
    from harness.machine.versions import require_run_extra
    from harness.processes.import_paths import isolated

    require_run_extra()
    words = ["python", "-m", WORKER, str(secret.absolute()), *addresses]
    every = [
        Kept(f"worker {number}", words, isolated(os.environ), None) for number in range(workers)
    ]
    stop = threading.Event()
    with answering_signals(stop.set):
        for item in every:
            item.start()
        if as_json:
            click.echo(pretty_json({"addresses": addresses, "workers": workers}), nl=False)
        try:
            while not stop.wait(0.5):
                for item in every:
                    item.look(lambda line: print(line, file=sys.stderr))
        finally:
            end_all(every)
