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
from harness.document import digest_of, pretty_json, read_document, write_atomic
from harness.errors import UsageError
from harness.federation.options import FederationOutcome, Options
from harness.federation.serverapp.coordinator import Coordinator
from harness.federation.serverapp.terms import LOGS
from harness.federation.simulation.client_processes import actors as client_processes
from harness.federation.simulation.client_processes import kill, replace_working
from harness.federation.superlink.app_directory import MIRROR_KEY, RUN_DIR_KEY, template_config
from harness.federation.superlink.handover import ORDER, OUTCOME, STOP, Order, Outcome
from harness.federation.wire.names import Job
from harness.processes.carried_error import CarriedError
from harness.sources.assets import locate
from harness.spec import RunSpec

STOP_POLL_S = 0.5


def make_app(folder: Path) -> ServerApp:
    """Return the ServerApp for the `spec.json` and `challenge.json` in `folder`."""
    app = ServerApp()

    @app.main()  # type: ignore[untyped-decorator]  # Flower is untyped to mypy here
    def main(grid: Grid, context: Context) -> None:
        spec = read_document(RunSpec, folder / "spec.json")
        challenge = read_document(Challenge, folder / "challenge.json")
        check_config(context.run_config, spec, challenge)
        order, run_dir = find_order(context.run_config, spec, challenge)
        logs = run_dir / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        (logs / OUTCOME).unlink(missing_ok=True)
        try:
            done = _serve(grid, order, run_dir)
        except BaseException as error:
            outcome = Outcome(error=CarriedError.of(error))
            write_atomic(logs / OUTCOME, pretty_json(outcome.model_dump(mode="json")))
            raise
        outcome = Outcome(
            roster_sha256=done.roster_sha256, facts=done.facts, duration_s=done.duration_s
        )
        write_atomic(logs / OUTCOME, pretty_json(outcome.model_dump(mode="json")))

    return app


def _serve(grid: Grid, order: Order, run_dir: Path) -> FederationOutcome:
    stop = threading.Event()
    ended = threading.Event()
    file = run_dir / LOGS / STOP
    file.unlink(missing_ok=True)

    def watch() -> None:
        while not ended.wait(STOP_POLL_S):
            if file.exists():
                stop.set()
                kill(client_processes(working=True))
                return

    threading.Thread(target=watch, name="stop-file", daemon=True).start()

    def recover() -> None:
        replace_working(order.actors)

    try:
        return Coordinator(
            grid, order.job, run_dir, order.options, order.actors, stop, recover
        ).run()
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


def find_order(
    config: Mapping[str, Any], spec: RunSpec, challenge: Challenge
) -> tuple[Order, Path]:
    """Return what to run and where.

    With an order in the run directory it is that; otherwise the models and data are located here.

    Raises:
        UsageError: the order is of another spec.
        SourceError: something is in none of the sources.
    """
    named = str(config.get(RUN_DIR_KEY) or "")
    default = Path.home() / "flowertune-runs" / f"{spec.plugin}-{digest_of(spec)[:12]}"
    run_dir = Path(named).expanduser().absolute() if named else default
    path = run_dir / ORDER
    if path.is_file():
        order = read_document(Order, path)
        if digest_of(order.job.spec) != digest_of(spec):
            raise UsageError(f"{path}: of another spec than this app; name another {RUN_DIR_KEY}")
        return order, run_dir
    mirror = str(config.get(MIRROR_KEY) or "")
    assets = locate(spec, challenge, Path(mirror).expanduser() if mirror else None)
    run_dir.mkdir(parents=True, exist_ok=True)
    run_directory.create(run_dir, spec, assets)
    job = Job(spec=spec, challenge=challenge, assets=assets)
    return Order(job=job, options=Options(), actors=1), run_dir
