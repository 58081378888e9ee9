"""What the server does, whichever engine runs it: roster, initial adapter or checkpoint, rounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord
from flwr.serverapp import Grid

from harness.document import digest_of, parse_json, sha256_text, write_atomic
from harness.errors import FederationError, PluginError
from harness.federation import checkpoint, kept, state
from harness.federation.grid import AuditedGrid, Exchange, Limits, ReplayedError, Session
from harness.federation.ledger import Ledger
from harness.federation.options import FederationOutcome, Options
from harness.federation.post import Post
from harness.federation.records import client_record, round_record
from harness.federation.resume import Position, find_position
from harness.federation.roster import ask_roster, roster_digest
from harness.federation.strategy import AuditedStrategy
from harness.federation.tensors import difference, to_record, to_tensors
from harness.federation.wire import ARRAYS, FILES, HARNESS, QUERY_INITIAL, QUERY_SAVE, Job
from harness.plugins import load_components
from harness.progress import Meter
from harness.record import ClientRecord, RoundRecord
from harness.resolve import strategy_context

LOGS = "logs"
ADAPTER = "adapter"


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
        self.meter = Meter(
            "training",
            train.rounds * self.context.clients_per_round * train.max_steps,
            "steps",
            quiet=options.quiet,
        )
        self.roster_sha256 = ""
        self.facts: dict[str, object] = {}

    def run(self) -> FederationOutcome:
        """Run what is left of the rounds.

        Raises:
            FederationError: and its kinds; the run directory can be resumed.
            PluginError: the strategy or the PEFT method contradicts itself.
            RuleViolationError: the communication limit was exceeded.
        """
        strategy = self.components.strategy.build(self.components.strategy_params, self.context)
        state.capture(strategy)  # refuses what a checkpoint cannot keep before anything is trained
        roster = ask_roster(self.post, self.job.challenge.num_supernodes)
        self.roster_sha256 = roster_digest(roster)
        grid = AuditedGrid(self.post, roster, self._session(), self._limits())
        position = find_position(self.run_dir, self.job, self.ledger)
        if position is None:
            position = self._initial(grid, strategy)
        else:
            state.restore(strategy, position.state, position.state_tensors)
            self.facts = dict(position.facts)
        self.meter.skip(position.round * self.context.clients_per_round * self.spec.train.max_steps)
        self._keep_adapter(grid, position.round, position.arrays)
        arrays = position.arrays
        last = min(self.options.until or self.spec.train.rounds, self.spec.train.rounds)
        left = last - position.round
        if left > 0:

            def round_done(
                exchange: Exchange, aggregate: dict[str, np.ndarray], took: float
            ) -> None:
                nonlocal arrays
                arrays = aggregate
                self._close_round(grid, strategy, exchange, aggregate, took)

            audited = AuditedStrategy(
                strategy,
                self.spec.seed,
                position.round,
                lambda: self.ledger.bytes_total,
                round_done,
                self.components.method.frozen,
            )
            try:
                audited.start(grid, to_record(arrays), num_rounds=left, train_config=ConfigRecord())
            except ReplayedError as replayed:
                self.facts = _facts(replayed.reply.facts)
                return self._outcome(client_record(replayed.reply))
        if last == self.spec.train.rounds:
            self._write_adapter(grid, self.run_dir / ADAPTER, arrays)
        return self._outcome(None)

    def _outcome(self, client: ClientRecord | None) -> FederationOutcome:
        return FederationOutcome(
            rounds=tuple(self.ledger.rounds),
            roster_sha256=self.roster_sha256,
            facts=self.facts,
            duration_s=time.monotonic() - self.begin,
            actors=self.actors,
            client=client,
        )

    def _session(self) -> Session:
        text = self.job.canonical_json()
        logs = self.run_dir / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        strategy, params = self.components.strategy, self.components.strategy_params
        objective = strategy.local_objective(params) if strategy.local_objective else None
        return Session(
            order={
                "job": text,
                "job-sha256": sha256_text(text),
                "limit-s": float(self.options.client_timeout_s),
                "logs-dir": str(logs.absolute()),
                "clients-dir": str((self.run_dir / kept.FOLDER).absolute()),
            },
            plan_of=lambda number: strategy.plan_of(params, self.context, number),
            last_round=self.ledger.last_round,
            read_keys=frozenset(objective.reads) if objective else frozenset(),
            recover=self.recover,
            only=self.options.only,
            on_reply=self._on_reply,
        )

    def _limits(self) -> Limits:
        options, actors = self.options, self.actors

        def silence_s(messages: int) -> float:
            turns = -(-messages // actors)
            return turns * options.client_timeout_s + options.grace_s

        return Limits(
            clients_per_round=self.context.clients_per_round,
            limit_bytes=self.job.challenge.communication.limit_bytes,
            client_timeout_s=options.client_timeout_s,
            silence_s=silence_s,
            retries=options.retries,
        )

    def _on_reply(self, partition: int) -> None:
        done = len(self.ledger.rounds) + 1
        note = f"round {done}/{self.spec.train.rounds}, partition {partition}"
        self.meter.advance(self.spec.train.max_steps, note)

    def _initial(self, grid: AuditedGrid, strategy: object) -> Position:
        self.ledger.keep(0)
        content = grid.query(QUERY_INITIAL)
        arrays = to_tensors(content.array_records[ARRAYS])
        self._check_shapes(arrays)
        self.facts = _facts(str(content.config_records[HARNESS]["facts"]))
        value, tensors = state.capture(strategy)
        self._save(0, None, arrays, value, tensors)
        return Position(0, arrays, value, tensors, self.facts)

    def _check_shapes(self, arrays: dict[str, np.ndarray]) -> None:
        shapes = self.components.method.shapes(self.spec.model, self.components.peft_params)
        problem = difference(arrays, shapes)
        if problem:
            raise PluginError(
                f"PEFT method {self.spec.peft.name}: {problem} by its shapes(); make configure()"
                " and shapes() agree"
            )

    def _close_round(
        self,
        grid: AuditedGrid,
        strategy: object,
        exchange: Exchange,
        aggregate: dict[str, np.ndarray],
        took_s: float,
    ) -> None:
        for reply in exchange.replies:
            facts = _facts(reply.facts)
            if self.facts and facts.get("dtype") != self.facts.get("dtype"):
                raise FederationError(
                    f"partition {reply.partition} trained in {facts.get('dtype')} in round"
                    f" {exchange.round}, the rounds before in {self.facts.get('dtype')}; resume on"
                    " the machine that the run began on"
                )
            self.facts = facts
        record = round_record(exchange, aggregate, self.ledger.head, took_s)
        value, tensors = state.capture(strategy)
        self._save(exchange.round, record, aggregate, value, tensors)
        self._keep_adapter(grid, exchange.round, aggregate)
        self.ledger.append(record)
        oldest = checkpoint.prune(self.run_dir, self.options.keep_checkpoints)
        kept.prune(self.run_dir / kept.FOLDER, oldest)

    def _save(
        self,
        number: int,
        record: RoundRecord | None,
        arrays: dict[str, np.ndarray],
        value: object,
        tensors: dict[str, np.ndarray],
    ) -> None:
        meta = {
            "round": number,
            "spec_digest": digest_of(self.spec),
            "data_sha256": tuple(item.sha256 for item in self.job.assets.data),
            "record": record,
            "state": value,
            "roster_sha256": self.roster_sha256,
            "facts": self.facts,
        }
        checkpoint.save(self.run_dir, meta, arrays, tensors)

    def _keep_adapter(self, grid: AuditedGrid, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep the adapter of every so many rounds for good; the last one is `adapter/`."""
        train = self.spec.train
        folder = self.run_dir / f"adapter_round_{number}"
        due = number > 0 and number < train.rounds and number % train.save_every_rounds == 0
        if due and not (folder / "adapter_model.safetensors").is_file():
            self._write_adapter(grid, folder, arrays)

    def _write_adapter(
        self, grid: AuditedGrid, folder: Path, arrays: dict[str, np.ndarray]
    ) -> None:
        files = grid.query(QUERY_SAVE, arrays).config_records[FILES]
        for name in sorted(files):
            write_atomic(folder / name, bytes(files[name]))


def _facts(text: str) -> dict[str, object]:
    value = parse_json(text, "facts of a client")
    return dict(value) if isinstance(value, dict) else {}
