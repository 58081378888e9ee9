"""The federation's front door: choose how many clients work at once, and the engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from harness.boards.challenge import Challenge
from harness.federation.options import FederationOutcome, Options
from harness.machine.machine import this_machine
from harness.planning.client_processes import client_processes
from harness.planning.forecast import message_bytes
from harness.planning.resolve import strategy_context
from harness.plugins import Components, load_components
from harness.sources.assets import Assets
from harness.spec import RunSpec

__all__ = ["FederationOutcome", "Options", "federate"]


def federate(
    spec: RunSpec, challenge: Challenge, assets: Assets, run_dir: Path, options: Options
) -> FederationOutcome:
    """Run the federation of a spec, or what is left of it.

    Writes `rounds.jsonl`, `checkpoints/`, `adapter/`, `adapter_round_K/` and `logs/` in `run_dir`.

    Args:
        spec: the run.
        challenge: the challenge that the spec names.
        assets: where the model and the data lie on this machine.
        run_dir: new, or of the same run interrupted; nothing else is resumed.
        options: how to run.

    Returns:
        The rounds and the facts of this session.

    Raises:
        FederationError: and its kinds; the run directory can be resumed.
        RecordError: the directory holds another run's checkpoints.
        RuleViolationError: the measured communication exceeded the limit.
        PluginError: a plugin changed, or contradicts itself.
        KeyboardInterrupt: stopped by a signal; no child process is left.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    from harness.federation.serverapp.terms import LOGS
    from harness.federation.simulation.flower_log import flower_log
    from harness.federation.storage.resume import finished
    from harness.federation.wire.names import Job

    job = Job(spec=spec, challenge=challenge, assets=assets)
    job.check()
    components = load_components(spec)
    shapes = components.method.shapes(spec.model, components.peft_params)
    clients = challenge.clients_per_round(spec.train.fraction)
    parameters = sum(prod(shape) for shape in shapes.values())
    actors = options.actors or client_processes(spec, clients, parameters, this_machine())
    actors = min(actors, clients)  # more would have nothing to do
    done = finished(run_dir, job, actors)
    if done is not None:
        return done
    with flower_log(run_dir / LOGS):  # Flower's strategies speak when they are made
        _try_strategy(spec, challenge, components)
    if options.superlink is not None:
        from harness.federation.superlink.superlink import federate_on_superlink

        return federate_on_superlink(job, run_dir, options, actors)
    from harness.federation.serverapp.coordinator import Coordinator
    from harness.federation.simulation.simulation import simulate

    def serve(grid: Any, stop: threading.Event, recover: Callable[[], None]) -> FederationOutcome:
        return Coordinator(grid, job, run_dir, options, actors, stop, recover).run()

    size = message_bytes(shapes)
    return simulate(serve, spec, challenge.num_supernodes, actors, size, run_dir / LOGS)


def _try_strategy(spec: RunSpec, challenge: Challenge, components: Components) -> None:
    """Build what the server and the clients will build, before any process is started."""
    from harness.federation.strategy_parts import build_strategy, client_part

    name, method, params = spec.strategy.name, components.strategy, components.strategy_params
    build_strategy(name, method, params, strategy_context(spec, challenge, components))
    client_part(name, method, params)
