"""What the server does, whichever engine runs it: roster, initial adapter or checkpoint, rounds."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord

from harness.errors import FederationError, PluginError
from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome, Options
from harness.federation.serverapp.audited_strategy import AuditedStrategy
from harness.federation.serverapp.client_requests import ClientRequests
from harness.federation.serverapp.grid import AuditedGrid, ReplayedError
from harness.federation.serverapp.reply_checks import read_device
from harness.federation.serverapp.roster import ask_roster, roster_digest
from harness.federation.serverapp.round_record import Exchange, client_record
from harness.federation.serverapp.round_writer import RoundWriter
from harness.federation.serverapp.transport import Transport
from harness.federation.storage import strategy_state
from harness.federation.storage.adapter_file import refuse_other_settings
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import Position, find_position
from harness.federation.wire.names import ARRAYS_RECORD, HARNESS_RECORD, PEFT_CONFIG
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import difference, to_record, to_tensors
from harness.progress import Meter, say
from harness.record.federation import ClientRecord
from harness.record.machine import Device


class Coordinator:
    """One run of the server, from the newest valid checkpoint to the final adapter."""

    def __init__(self, run: OpenRun, transport: Transport, run_dir: Path, options: Options) -> None:
        """Prepare; nothing is sent yet.

        Args:
            run: what is federated.
            transport: the way to the clients.
            run_dir: where the rounds, checkpoints and adapters go.
            options: how to run; no number depends on them.
        """
        self.begin = time.monotonic()
        self.open_run, self.spec = run, run.spec
        self.transport = transport
        self.run_dir, self.options = run_dir, options
        self.ledger = Ledger(run_dir)
        self.roster: dict[int, int] = {}
        """Partition -> node, once all have said theirs."""
        self.steps_per_round = run.context.clients_per_round * self.spec.train.max_steps
        self.meter = Meter("training", 0, "steps", quiet=options.quiet)

    def run(self) -> FederationOutcome:
        """Run what is left of the rounds.

        Raises:
            FederationError: and its kinds; the run directory can be resumed.
            PluginError: the strategy or the PEFT method contradicts itself.
            RuleViolationError: the communication limit was exceeded.
        """
        run, strategy = self.open_run, self.open_run.strategy
        elsewhere = None if run.job.assets.placed else run.job
        roster = ask_roster(self.transport, run.job.challenge.num_supernodes, elsewhere)
        self.roster = roster
        self._tell(f"{len(roster)} supernodes answered; clients load model and data")
        requests = ClientRequests(run, self.transport, roster, self.run_dir, self.options)
        roster_sha256 = roster_digest(roster)
        writer = RoundWriter(run, self.run_dir, self.ledger, roster, self.options.keep_checkpoints)
        requests.meanwhile = writer.settle
        requests.seen.on_steps = self._on_steps
        position = find_position(self.run_dir, run.job, self.ledger)
        if position is None:
            position = self._initial(requests)
            self._tell("a client made the first adapter; round 1 begins")
            writer.begin(position)
        else:
            strategy_state.restore(strategy, position.state, position.state_tensors)
            writer.resume(position)
        requests.header[PEFT_CONFIG] = position.peft_config
        requests.last_rounds = self.ledger.last_rounds()
        last = min(self.options.until or self.spec.train.rounds, self.spec.train.rounds)
        before = position.round * self.steps_per_round
        if self.options.only is None:
            self.meter.total = last * self.steps_per_round
        else:
            self.meter.total = before + self.spec.train.max_steps
        self.meter.skip(before)
        self.meter.begin()
        writer.keep_adapter(position)
        try:
            position = self._rounds(position, last, requests, writer)
        except ReplayedError as replayed:
            reply = replayed.reply
            return self._outcome(roster_sha256, reply.device, client_record(reply))
        if last == self.spec.train.rounds:
            writer.finish(position)
        return self._outcome(roster_sha256, position.device, None)

    def _tell(self, text: str) -> None:
        """Say a step of starting; the time is told by the command, whose clock runs longer."""
        if not self.options.quiet:
            say(f"federate: {text}")

    def _on_steps(self, partition: int, steps: int) -> None:
        number = len(self.ledger.rounds) + 1
        note = f"round {number}/{self.spec.train.rounds}, partition {partition}"
        self.meter.advance(steps, note)

    def _initial(self, requests: ClientRequests) -> Position:
        content = requests.initial_adapter()
        arrays = to_tensors(records_in(content, ArrayRecord)[ARRAYS_RECORD])
        problem = difference(arrays, self.open_run.shapes)
        if problem:
            raise PluginError(
                f"PEFT method {self.spec.peft.name}: {problem} by its shapes(); make configure()"
                " and shapes() agree"
            )
        notes = records_in(content, ConfigRecord)[HARNESS_RECORD]
        peft_config = str(notes[PEFT_CONFIG])
        method = self.open_run.components.method
        refuse_other_settings(peft_config, method, self.spec.peft, self.spec.model.hub_id)
        state, tensors = strategy_state.capture(self.open_run.strategy)
        return Position(0, arrays, state, tensors, read_device(notes), peft_config=peft_config)

    def _rounds(
        self, begin: Position, last: int, requests: ClientRequests, writer: RoundWriter
    ) -> Position:
        """Run the rounds after `begin` up to `last`; return where the run is then."""
        position = begin
        if last <= begin.round:
            return begin

        def round_done(exchange: Exchange, aggregate: dict[str, np.ndarray], took_s: float) -> None:
            nonlocal position
            state, tensors = strategy_state.capture(self.open_run.strategy)
            position = replace(
                position,
                round=exchange.round,
                arrays=aggregate,
                state=state,
                state_tensors=tensors,
                device=_device_of(exchange, position.device),
            )
            writer.note(position, exchange, took_s)

        audited = AuditedStrategy(self.open_run, begin.round, round_done)
        try:
            audited.start(
                AuditedGrid(requests, self.ledger.bytes_total),
                to_record(begin.arrays),
                num_rounds=last - begin.round,
                train_config=ConfigRecord(),
            )
        finally:
            writer.settle()
        return position

    def _outcome(
        self, roster_sha256: str, device: Device, client: ClientRecord | None
    ) -> FederationOutcome:
        return FederationOutcome(
            rounds=tuple(self.ledger.rounds),
            roster_sha256=roster_sha256,
            device=device.with_values(actors=self.transport.actors),
            duration_s=time.monotonic() - self.begin,
            client=client,
        )


def _device_of(exchange: Exchange, before: Device) -> Device:
    """Return the device that trained a round.

    Raises:
        FederationError: it computed in another type than the rounds before, whose numbers no
            repetition could follow.
    """
    for reply in exchange.replies:
        if reply.device.dtype != before.dtype:
            raise FederationError(
                f"partition {reply.partition} trained in {reply.device.dtype} in round"
                f" {exchange.round}, the rounds before in {before.dtype}; resume on the machine"
                " that the run began on"
            )
    return exchange.replies[-1].device
