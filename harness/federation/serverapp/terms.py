"""The terms on which a server speaks to its clients, from the job and the options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.components import StrategyContext
from harness.document import sha256_text
from harness.federation.clientapp import client_state
from harness.federation.options import Options
from harness.federation.serverapp.exchange import Limits, Session
from harness.federation.strategy_parts import client_part
from harness.federation.wire.names import Job
from harness.plugins import Components

LOGS = "logs"
"""Folder of Flower's log and of the stacks of clients that hung, in a run directory."""


def session_of(
    job: Job,
    components: Components,
    context: StrategyContext,
    run_dir: Path,
    options: Options,
    recover: Callable[[], None],
    on_reply: Callable[[int], None],
) -> Session:
    """Return what messages carry and what is called back; see `Session`."""
    text = job.canonical_json()
    logs = run_dir / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    strategy, params = components.strategy, components.strategy_params
    objective = client_part(job.spec.strategy.name, strategy, params)
    return Session(
        order={
            "job": text,
            "job-sha256": sha256_text(text),
            "limit-s": float(options.client_timeout_s),
            "logs-dir": str(logs.absolute()),
            "clients-dir": str((run_dir / client_state.FOLDER).absolute()),
        },
        plan_of=lambda number: strategy.plan_of(params, context, number),
        read_keys=frozenset(objective.reads) if objective else frozenset(),
        recover=recover,
        only=options.only,
        on_reply=on_reply,
    )


def limits_of(job: Job, context: StrategyContext, options: Options, actors: int) -> Limits:
    """Return what the grid enforces.

    Args:
        job: the run; its challenge's communication limit.
        context: the clients of a round.
        options: time limits and retries.
        actors: clients that can work at the same time; the others wait their turn.
    """

    def silence_s(messages: int) -> float:
        turns = -(-messages // actors)
        return turns * options.client_timeout_s + options.grace_s

    return Limits(
        clients_per_round=context.clients_per_round,
        limit_bytes=job.challenge.communication.limit_bytes,
        client_timeout_s=options.client_timeout_s,
        silence_s=silence_s,
        retries=options.retries,
    )
