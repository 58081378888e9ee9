"""The other engine: the same ServerApp and ClientApp through `flwr run` on a SuperLink."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from harness.document import pretty_json, read_document
from harness.errors import FederationError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.federation.simulation.environment import child_environment
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.app_directory import write_app
from harness.federation.superlink.handover import (
    APP,
    HANDOVER_FILE,
    OUTCOME_FILE,
    STOP_FILE,
    Handover,
    ServerOutcome,
)
from harness.federation.superlink.local_superlink import local_superlink, program
from harness.federation.superlink.remote_run import federate_remotely
from harness.machine.card_layout import CardLayout
from harness.processes.signals import answering_signals
from harness.progress import Meter
from harness.record.file_names import LOGS

LOCAL = "local"
"""`--superlink local`: a simulation SuperLink that lives as long as the run."""

SERVER_STOP_LIMIT_S = 20.0
"""Longest wait for the ServerApp to end after it was asked to."""


def federate_on_superlink(
    job: Job,
    run_dir: Path,
    options: Options,
    actors: int,
    cards: CardLayout | None,
    folder: str,
) -> FederationOutcome:
    """Run, or go on with, a federation through a SuperLink; see `engine.federate`.

    Args:
        job: the run.
        run_dir: the run directory.
        options: `superlink` is `local`, or a connection of Flower's own configuration, whose
            SuperLink shares no folder with this process.
        actors: client processes of a simulation.
        cards: where they are, on a machine with GPUs; None on a CPU.
        folder: for the files of a local SuperLink and of Ray.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came.
        FederationError: the SuperLink does not start, or `flwr run` ended without a result.
        HarnessError: whatever the ServerApp raised.
    """
    run_dir = run_dir.absolute()
    if options.superlink != LOCAL:
        return federate_remotely(job, run_dir, options, folder)
    logs = run_dir / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    for name in (OUTCOME_FILE, STOP_FILE):
        (logs / name).unlink(missing_ok=True)
    app = run_dir / APP
    shutil.rmtree(app, ignore_errors=True)
    write_app(app, job.spec, job.challenge, run_dir=str(run_dir))
    handover = Handover(job=job, options=options.with_values(quiet=True), actors=actors)
    # In place: what runs this may write that file, and make no other beside it.
    (run_dir / HANDOVER_FILE).write_text(pretty_json(handover.model_dump(mode="json")), "utf-8")
    stop = threading.Event()
    environment = child_environment(job.spec, folder, cards)
    with (
        answering_signals(stop.set) as interrupted,
        local_superlink(Path(folder), environment, logs, stop) as (name, env),
    ):
        command = [program("flwr"), "run", str(app), name, "--stream"]
        command += ["--federation-config", _federation_config(job, actors, cards)]
        _run(command, env, job, logs, stop, options.quiet)
    if interrupted:
        raise KeyboardInterrupt
    if not (logs / OUTCOME_FILE).is_file():
        raise FederationError(
            f"`flwr run` on {options.superlink!r} ended without a result; see {logs}/flwr-run.log"
        )
    outcome = read_document(ServerOutcome, logs / OUTCOME_FILE)
    return outcome.of_rounds(Ledger(run_dir).rounds)


def _federation_config(job: Job, actors: int, cards: CardLayout | None) -> str:
    gpu = cards.share if cards is not None else 0.0
    return (
        f"num-supernodes={job.challenge.num_supernodes} client-resources-num-cpus=1"
        f" client-resources-num-gpus={gpu} init-args-num-cpus={actors}"
    )


def _run(
    command: list[str],
    environment: Mapping[str, str],
    job: Job,
    logs: Path,
    stop: threading.Event,
    quiet: bool,
) -> None:
    """Call `flwr run` and watch the rounds come in; on `stop`, ask the ServerApp to end."""
    meter = Meter("training", job.spec.train.rounds, "rounds", quiet=quiet)
    with (logs / "flwr-run.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None and not stop.wait(0.3):
                done = len(Ledger(logs.parent).rounds) - meter.done
                if done > 0:
                    meter.advance(done)
            if stop.is_set():
                (logs / STOP_FILE).touch()
                _await_file(logs / OUTCOME_FILE, SERVER_STOP_LIMIT_S)
        finally:
            process.terminate()
            process.wait()


def _await_file(path: Path, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not path.is_file() and time.monotonic() < end:
        time.sleep(0.1)
