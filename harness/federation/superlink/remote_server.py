"""The ServerApp whose caller sees no folder of it: it keeps a run directory, and sends from it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from flwr.serverapp import Grid

from harness import run_directory
from harness.boards.challenge import Challenge
from harness.errors import ClientFailedError
from harness.federation.job import Job
from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome
from harness.federation.serverapp.coordinator import Coordinator
from harness.federation.serverapp.transport import SilenceError, Transport
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import finished
from harness.federation.superlink.handover import ServerOutcome
from harness.federation.superlink.remote_order import RemoteOrder
from harness.federation.superlink.sent_lines import Sent, say, send_file
from harness.processes.carried_error import CarriedError
from harness.record.file_names import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, LOGS
from harness.sources.assets import Assets
from harness.spec import RunSpec

RUNS = "flowertune-runs"
"""Folder in the home directory of whoever runs the SuperLink."""

RUNS_VARIABLE = "HARNESS_RUNS"
"""Names another folder than that."""

LOOK_S = 0.5
"""Pause between two looks for rounds that are over."""

REMOTE_POLL_S = 0.5
"""Pause between two looks for replies: each is a request to the SuperLink."""

BACK_LIMIT_S = 300.0
"""Longest wait for SuperNodes that were cut off or killed to be connected again. A SuperLink
notices after 30 to 60 s that a node is gone."""


def serve_remotely(grid: Grid, order: RemoteOrder, spec: RunSpec, challenge: Challenge) -> None:
    """Run what is left of the rounds, and send rounds, adapters and the outcome.

    Args:
        grid: Flower's.
        order: of the caller.
        spec: the run.
        challenge: its challenge.

    Raises:
        UsageError: an earlier session of the run is still at work here.
        HarnessError: whatever ended the run; it has been sent too.
    """
    runs = os.environ.get(RUNS_VARIABLE)
    run_dir = (Path(runs) if runs else Path.home() / RUNS) / order.name
    (run_dir / LOGS).mkdir(parents=True, exist_ok=True)
    assets = Assets(model_dir="", training_file=None, evaluation_files={}, data=order.data)
    job = Job(spec=spec, challenge=challenge, assets=assets)
    over = threading.Event()
    sender = threading.Thread(target=_send_rounds, args=(run_dir, spec, over), daemon=True)
    try:
        with run_directory.run_lock(run_dir):
            run_directory.create(run_dir, spec, assets)
            sender.start()
            try:
                done = _serve(grid, job, order, run_dir)
            finally:
                over.set()
                sender.join()
            _send_folder(run_dir, ADAPTER)
    except BaseException as error:
        say(Sent(outcome=ServerOutcome(error=CarriedError.of(error))))
        raise
    say(Sent(outcome=ServerOutcome.of(done)))


def _serve(grid: Grid, job: Job, order: RemoteOrder, run_dir: Path) -> FederationOutcome:
    done = finished(run_dir, job, 1)
    if done is not None:
        return done
    stop = threading.Event()
    coordinator: Coordinator | None = None

    def recover() -> None:
        roster = coordinator.roster if coordinator is not None else {}
        try:
            transport.wait_until_back(roster.values(), BACK_LIMIT_S)
        except SilenceError as error:
            lost = sorted(number for number, node in roster.items() if node in error.nodes)
            raise ClientFailedError(
                f"the SuperNodes of partitions {', '.join(map(str, lost))} were not connected for"
                f" {BACK_LIMIT_S:.0f} s; start them again and resume the run"
            ) from None

    # One client at a time: nothing is known of how many SuperNodes a machine carries.
    transport = Transport(grid, 1, stop, recover, REMOTE_POLL_S)
    coordinator = Coordinator(OpenRun(job), transport, run_dir, order.options)
    return coordinator.run()


def _send_rounds(run_dir: Path, spec: RunSpec, over: threading.Event) -> None:
    """Send each round when it is on the disk, and the adapters that are kept with it."""
    sent = 0
    while True:
        last = over.wait(LOOK_S)
        for record in Ledger(run_dir).rounds[sent:]:
            say(Sent(round=record.canonical_json()))
            sent = record.round
            if sent % spec.train.save_every_rounds == 0:
                _send_folder(run_dir, f"adapter_round_{sent}")
        if last:
            return


def _send_folder(run_dir: Path, folder: str) -> None:
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if (run_dir / folder / name).is_file():
            send_file(run_dir, f"{folder}/{name}")
