"""The federation's front door: choose how many clients work at once, and the engine."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.machine.machine import this_machine
from harness.planning.client_processes import client_processes
from harness.record.file_names import LOGS

__all__ = ["FederationOutcome", "Job", "Options", "federate"]


def federate(job: Job, run_dir: Path, options: Options) -> FederationOutcome:
    """Run the federation of a spec, or what is left of it.

    Writes `rounds.jsonl`, `checkpoints/`, `adapter/`, `adapter_round_K/` and `logs/` in `run_dir`.

    Args:
        job: the run, its challenge, and where its model and data lie on this machine.
        run_dir: new, or of the same run interrupted; nothing else is resumed.
        options: how to run.

    Returns:
        The rounds and what this session was.

    Raises:
        FederationError: and its kinds; the run directory can be resumed.
        RecordError: the directory holds another run's checkpoints.
        RuleViolationError: the measured communication exceeded the limit.
        PluginError: a plugin changed, or contradicts itself.
        KeyboardInterrupt: stopped by a signal; no child process is left.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    from harness.federation.open_run import OpenRun
    from harness.federation.simulation.flower_log import flower_log
    from harness.federation.storage.resume import finished

    run = OpenRun(job)
    clients = run.context.clients_per_round
    parameters = sum(prod(shape) for shape in run.shapes.values())
    actors = options.actors or client_processes(job.spec, clients, parameters, this_machine())
    actors = min(actors, clients)  # more would have nothing to do
    done = finished(run_dir, job, actors)
    if done is not None:
        return done
    with flower_log(run_dir / LOGS):  # Flower's strategies speak when they are made
        _ = run.strategy  # made now, so that its faults come before any process is started
    if options.superlink is not None:
        from harness.federation.superlink.superlink import federate_on_superlink

        return federate_on_superlink(job, run_dir, options, actors)
    from harness.federation.serverapp.coordinator import Coordinator
    from harness.federation.serverapp.transport import Transport
    from harness.federation.simulation.simulation import simulate

    def serve(transport: Transport) -> FederationOutcome:
        return Coordinator(run, transport, run_dir, options).run()

    return simulate(serve, run, actors, run_dir / LOGS)
