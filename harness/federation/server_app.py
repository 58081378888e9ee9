"""The ServerApp of a Flower App directory: the same server as in-process, behind `flwr run`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from harness import run_directory
from harness.boards.challenge import Challenge
from harness.document import digest_of, read_document, write_document
from harness.errors import UsageError
from harness.federation.job import Job
from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome, Options
from harness.federation.serverapp.coordinator import Coordinator
from harness.federation.serverapp.transport import Transport
from harness.federation.simulation.client_processes import actors as client_processes
from harness.federation.simulation.client_processes import kill, replace_working
from harness.federation.superlink.app_directory import MIRROR_KEY, RUN_DIR_KEY, template_config
from harness.federation.superlink.handover import (
    HANDOVER_FILE,
    OUTCOME_FILE,
    STOP_FILE,
    Handover,
    ServerOutcome,
)
from harness.federation.superlink.remote_order import ORDER_FILE, RemoteOrder
from harness.federation.superlink.remote_server import serve_remotely
from harness.processes.carried_error import CarriedError
from harness.record.file_names import LOGS, SPEC
from harness.sources.assets import locate
from harness.spec import RunSpec

STOP_POLL_S = 0.5


def make_app(folder: Path) -> ServerApp:
    """Return the ServerApp for the `spec.json` and `challenge.json` in `folder`."""
    app = ServerApp()

    @app.main()  # type: ignore[untyped-decorator]  # Flower is untyped to mypy here
    def main(grid: Grid, context: Context) -> None:
        spec = read_document(RunSpec, folder / SPEC)
        challenge = read_document(Challenge, folder / "challenge.json")
        check_config(context.run_config, spec, challenge)
        if (folder / ORDER_FILE).is_file():
            order = read_document(RemoteOrder, folder / ORDER_FILE)
            serve_remotely(grid, order, spec, challenge)
            return
        handover, run_dir = find_handover(context.run_config, spec, challenge)
        logs = run_dir / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        (logs / OUTCOME_FILE).unlink(missing_ok=True)
        try:
            done = _serve(grid, handover, run_dir)
        except BaseException as error:
            write_document(logs / OUTCOME_FILE, ServerOutcome(error=CarriedError.of(error)))
            raise
        write_document(logs / OUTCOME_FILE, ServerOutcome.of(done))

    return app


def _serve(grid: Grid, handover: Handover, run_dir: Path) -> FederationOutcome:
    stop = threading.Event()
    ended = threading.Event()
    file = run_dir / LOGS / STOP_FILE
    file.unlink(missing_ok=True)

    def watch() -> None:
        while not ended.wait(STOP_POLL_S):
            if file.exists():
                stop.set()
                kill(client_processes(working=True))
                return

    threading.Thread(target=watch, name="stop-file", daemon=True).start()

    def recover() -> None:
        replace_working(handover.actors)

    try:
        transport = Transport(grid, handover.actors, stop, recover)
        return Coordinator(OpenRun(handover.job), transport, run_dir, handover.options).run()
    except BaseException:
        kill(client_processes(working=True))
        raise
    finally:
        ended.set()


def check_config(config: Mapping[str, Any], spec: RunSpec, challenge: Challenge) -> None:
    """Check that the run config restates the spec.

    Raises:
        UsageError: a value was changed, on the command line of `flwr run` or in the file.
    """
    for key, value in template_config(spec, challenge).items():
        if config.get(key) != value:
            raise UsageError(
                f"run config {key} is {json.dumps(config.get(key))}, the spec has"
                f" {json.dumps(value)}; export the app again with that value"
            )


def find_handover(
    config: Mapping[str, Any], spec: RunSpec, challenge: Challenge
) -> tuple[Handover, Path]:
    """Return what to run and where.

    What `harness run --superlink` has left in the run directory holds; where there is nothing, as
    in an exported app, the models and data are located here.

    Raises:
        UsageError: what was left is of another spec.
        SourceError: something is in none of the sources.
    """
    named = str(config.get(RUN_DIR_KEY) or "")
    default = Path.home() / "flowertune-runs" / f"{spec.plugin}-{digest_of(spec)[:12]}"
    run_dir = Path(named).expanduser().absolute() if named else default
    path = run_dir / HANDOVER_FILE
    if path.is_file():
        handover = read_document(Handover, path)
        if digest_of(handover.job.spec) != digest_of(spec):
            raise UsageError(f"{path}: of another spec than this app; name another {RUN_DIR_KEY}")
        return handover, run_dir
    mirror = str(config.get(MIRROR_KEY) or "")
    assets = locate(spec, challenge, Path(mirror).expanduser() if mirror else None)
    run_dir.mkdir(parents=True, exist_ok=True)
    run_directory.create(run_dir, spec, assets)
    job = Job(spec=spec, challenge=challenge, assets=assets)
    return Handover(job=job, options=Options(), actors=1), run_dir
