"""A federation where its plugins are loaded: how many clients at once, and which engine."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

from harness.federation.options import FederationOutcome
from harness.federation.order import FederationOrder, Report
from harness.machine.card_layout import layout_of
from harness.machine.machine import this_machine
from harness.planning.client_processes import cards_of, client_processes
from harness.processes.loading import loading
from harness.progress import only_if
from harness.record.file_names import LOGS


def serve(order: FederationOrder, origin: str | None) -> Report:
    """Run the federation of a spec, or what is left of it.

    Writes `rounds.jsonl`, `checkpoints/`, `adapter/`, `adapter_round_K/` and `logs/` in the run's
    directory.

    Args:
        order: what to run.
        origin: socket of the process that clients are forked from; None: each starts anew.

    Raises:
        FederationError: and its kinds; the run directory can be resumed.
        RecordError: the directory holds another run's checkpoints.
        RuleViolationError: the measured communication exceeded the limit.
        PluginError: a plugin changed, or contradicts itself.
        KeyboardInterrupt: stopped by a signal.
    """
    with only_if(not order.options.quiet):
        outcome = _serve(order, origin)
    return Report(device=outcome.device, client=outcome.client)


def _serve(order: FederationOrder, origin: str | None) -> FederationOutcome:
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    with loading():
        from harness.federation.dependence.known_strategies import RULES
        from harness.federation.open_run import OpenRun
        from harness.federation.rehearsal.rehearse import rehearse
        from harness.federation.simulation.flower_log import flower_log
        from harness.federation.storage.ledger import Ledger
        from harness.federation.storage.resume import finished

    job, options, run_dir = order.job, order.options, Path(order.run_dir)
    if options.ray_address is not None:  # every node finds its own files
        job = job.with_values(assets=job.assets.without_paths())
    run = OpenRun(job)
    clients = run.context.clients_per_round
    parameters = sum(prod(shape) for shape in run.shapes.values())
    machine = this_machine()
    actors = options.actors or client_processes(job.spec, clients, parameters, machine)
    actors = min(actors, clients)  # more would have nothing to do
    cards = cards_of(job.spec, clients, parameters, machine)
    if cards is not None and cards.processes != actors:
        cards = layout_of(actors, max(1, len(machine.cards)))
    done = finished(run_dir, job, actors)
    if done is not None:
        return done
    with flower_log(run_dir / LOGS):  # Flower's strategies speak when they are made
        _ = run.strategy  # made now, so that its faults come before Ray is started
        begins = not Ledger(run_dir).rounds and options.only is None
        if begins and options.rehearse and job.spec.strategy.name not in RULES:
            rehearse(run, options.quiet)
    if options.superlink is not None:
        from harness.federation.superlink.superlink import federate_on_superlink

        return federate_on_superlink(job, run_dir, options, actors, cards, order.folder)
    from harness.federation.serverapp.coordinator import Coordinator
    from harness.federation.serverapp.transport import Transport
    from harness.federation.simulation.simulation import simulate

    def served(transport: Transport) -> FederationOutcome:
        return Coordinator(run, transport, run_dir, options).run()

    if options.ray_address is not None:
        from harness.federation.cluster.cluster import federate_on_cluster

        return federate_on_cluster(served, run, options, clients, parameters, run_dir / LOGS)
    return simulate(served, run, actors, cards, run_dir / LOGS, order.folder, origin)
