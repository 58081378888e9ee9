"""What the server does, whichever engine runs it: roster, initial adapter or checkpoint, rounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from harness.errors import FederationError, PluginError
from harness.federation.options import FederationOutcome, Options
from harness.federation.serverapp.audited_strategy import AuditedStrategy
from harness.federation.serverapp.client_requests import Asker
from harness.federation.serverapp.exchange import Exchange, ReplayedError
from harness.federation.serverapp.grid import AuditedGrid
from harness.federation.serverapp.reply_checks import read_facts
from harness.federation.serverapp.roster import ask_roster, roster_digest
from harness.federation.serverapp.round_record import client_record
from harness.federation.serverapp.terms import limits_of, session_of
from harness.federation.serverapp.transport import Post
from harness.federation.storage import strategy_state
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import Position, find_position
from harness.federation.storage.round_writer import Keeper
from harness.federation.strategy_parts import build_strategy
from harness.federation.wire.names import ARRAYS, HARNESS, QUERY_INITIAL, Job
from harness.federation.wire.tensors import difference, to_record, to_tensors
from harness.planning.resolve import strategy_context
from harness.plugins import load_components
from harness.progress import Meter
from harness.record.federation import ClientRecord


class Coordinator:
    """One run of the server, from the newest valid checkpoint to the final adapter."""

    def __init__(
        self,
        grid: Grid,
        job: Job,
        run_dir: Path,
        options: Options,
        actors: int,
        stop: threading.Event,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            grid: Flower's grid.
            job: spec, challenge and assets.
            run_dir: where the rounds, checkpoints and adapters go.
            options: how to run; no number depends on them.
            actors: clients that can work at the same time.
            stop: set to end the run early.
            recover: brings dead clients back; called before a retry.
        """
        self.begin = time.monotonic()
        self.job, self.spec = job, job.spec
        self.run_dir, self.options, self.actors = run_dir, options, actors
        self.post = Post(grid, stop)
        self.recover = recover
        self.components = load_components(self.spec)
        self.context = strategy_context(self.spec, job.challenge, self.components)
        self.ledger = Ledger(run_dir)
        train = self.spec.train
        self.steps_per_round = self.context.clients_per_round * train.max_steps
        steps = train.rounds * self.steps_per_round
        self.meter = Meter("training", steps, "steps", quiet=options.quiet)
        self.facts: dict[str, object] = {}

    def run(self) -> FederationOutcome:
        """Run what is left of the rounds.

        Raises:
            FederationError: and its kinds; the run directory can be resumed.
            PluginError: the strategy or the PEFT method contradicts itself.
            RuleViolationError: the communication limit was exceeded.
        """
        strategy = build_strategy(
            self.spec.strategy.name,
            self.components.strategy,
            self.components.strategy_params,
            self.context,
        )
        roster = ask_roster(self.post, self.job.challenge.num_supernodes)
        asker = self._asker(roster)
        keeper = Keeper(
            self.run_dir, self.job, self.ledger, asker, roster_digest(roster),
            self.options.keep_checkpoints,
        )  # fmt: skip
        asker.meanwhile = keeper.settle
        position = find_position(self.run_dir, self.job, self.ledger)
        if position is None:
            position = self._initial(asker, keeper, strategy)
        else:
            strategy_state.restore(strategy, position.state, position.state_tensors)
        asker.last_rounds = self.ledger.last_rounds()
        self.facts = dict(position.facts)
        self.meter.skip(position.round * self.steps_per_round)
        keeper.keep_adapter(position.round, position.arrays)
        last = min(self.options.until or self.spec.train.rounds, self.spec.train.rounds)
        try:
            arrays = self._rounds(position, last, strategy, asker, keeper)
        except ReplayedError as replayed:
            self.facts = read_facts(replayed.reply.facts)
            return self._outcome(keeper, client_record(replayed.reply))
        if last == self.spec.train.rounds:
            keeper.finish(arrays)
        return self._outcome(keeper, None)

    def _asker(self, roster: dict[int, int]) -> Asker:
        session = session_of(
            self.job, self.components, self.context, self.run_dir, self.options, self.recover,
            self._on_reply,
        )  # fmt: skip
        limits = limits_of(self.job, self.context, self.options, self.actors)
        return Asker(self.post, roster, session, limits)

    def _on_reply(self, partition: int) -> None:
        number = len(self.ledger.rounds) + 1
        note = f"round {number}/{self.spec.train.rounds}, partition {partition}"
        self.meter.advance(self.spec.train.max_steps, note)

    def _initial(self, asker: Asker, keeper: Keeper, strategy: Strategy) -> Position:
        content = asker.query(QUERY_INITIAL)
        arrays = to_tensors(content.array_records[ARRAYS])
        shapes = self.components.method.shapes(self.spec.model, self.components.peft_params)
        problem = difference(arrays, shapes)
        if problem:
            raise PluginError(
                f"PEFT method {self.spec.peft.name}: {problem} by its shapes(); make configure()"
                " and shapes() agree"
            )
        facts = read_facts(str(content.config_records[HARNESS]["facts"]))
        position = Position(0, arrays, *strategy_state.capture(strategy), facts)
        keeper.begin(position)
        return position

    def _rounds(
        self, position: Position, last: int, strategy: Strategy, asker: Asker, keeper: Keeper
    ) -> dict[str, np.ndarray]:
        """Run the rounds after `position` up to `last`; return the adapter then."""
        arrays = position.arrays
        if last <= position.round:
            return arrays

        def round_done(exchange: Exchange, aggregate: dict[str, np.ndarray], took_s: float) -> None:
            nonlocal arrays
            arrays = aggregate
            self._learn(exchange)
            captured = strategy_state.capture(strategy)
            done = Position(exchange.round, aggregate, *captured, dict(self.facts))
            keeper.note(done, exchange, took_s)

        audited = AuditedStrategy(
            strategy,
            self.spec.seed,
            position.round,
            round_done,
            self.components.method.frozen,
        )
        try:
            audited.start(
                AuditedGrid(asker, self.ledger.bytes_total),
                to_record(arrays),
                num_rounds=last - position.round,
                train_config=ConfigRecord(),
            )
        finally:
            keeper.settle()
        return arrays

    def _learn(self, exchange: Exchange) -> None:
        for reply in exchange.replies:
            facts = read_facts(reply.facts)
            if self.facts and facts.get("dtype") != self.facts.get("dtype"):
                raise FederationError(
                    f"partition {reply.partition} trained in {facts.get('dtype')} in round"
                    f" {exchange.round}, the rounds before in {self.facts.get('dtype')}; resume on"
                    " the machine that the run began on"
                )
            self.facts = facts

    def _outcome(self, keeper: Keeper, client: ClientRecord | None) -> FederationOutcome:
        return FederationOutcome(
            rounds=tuple(self.ledger.rounds),
            roster_sha256=keeper.roster_sha256,
            facts=self.facts,
            duration_s=time.monotonic() - self.begin,
            actors=self.actors,
            client=client,
        )
