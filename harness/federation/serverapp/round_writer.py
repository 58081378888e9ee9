"""What a round leaves on the disk: checkpoint, adapter, line of the ledger, in this order.

A crash between any two of them loses nothing: `harness.federation.storage.resume` says what is made
of it.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from harness.document import digest_of
from harness.document.units import MIB
from harness.federation.clientapp import client_state
from harness.federation.dependence.case import Case
from harness.federation.dependence.check_round import check_round
from harness.federation.dependence.influence import Influence
from harness.federation.dependence.own_aggregation import OwnAggregation
from harness.federation.open_run import OpenRun
from harness.federation.serverapp.roster import roster_digest
from harness.federation.serverapp.round_record import Exchange, round_record
from harness.federation.serverapp.seeding import seed_draws
from harness.federation.storage import checkpoint
from harness.federation.storage.adapter_file import write_adapter
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import Position
from harness.record.dependence import Dependence
from harness.record.federation import RoundRecord
from harness.record.file_names import ADAPTER, ADAPTER_WEIGHTS

LARGE_ROUND_BYTES = 256 * MIB
"""Of all replies together. To look for what nothing refers to takes 0.3 s of a round."""


class RoundWriter:
    """Writes the files of one run directory."""

    def __init__(
        self,
        run: OpenRun,
        run_dir: Path,
        ledger: Ledger,
        roster: Mapping[int, int],
        checkpoints: int,
    ) -> None:
        """Write into a run directory.

        Args:
            run: what is federated.
            run_dir: the run directory.
            ledger: its rounds.
            roster: partition id -> node id.
            checkpoints: how many of the newest stay on the disk.
        """
        self.run = run
        self.run_dir = run_dir
        self.ledger = ledger
        self.roster_sha256 = roster_digest(roster)
        self.checkpoints = checkpoints
        self.nodes = tuple(roster.values())
        self.own = OwnAggregation(
            run.spec,
            run.job.challenge.num_supernodes,
            run.components.strategy_params.model_dump(mode="json"),
        )
        self.noted: tuple[Position, Exchange, float] | None = None

    def begin(self, position: Position) -> None:
        """Keep round 0, the initial adapter."""
        self.ledger.keep(0)
        self._checkpoint(position, None)

    def resume(self, position: Position) -> None:
        """Go on after a position that was read from a checkpoint.

        Raises:
            RecordError: it lacks what the harness keeps of the rounds before.
        """
        self.own.restore(position.round, position.state_tensors)

    def note(self, position: Position, exchange: Exchange, took_s: float) -> None:
        """Take note of a round that is over, to be kept by `settle`."""
        self.noted = position, exchange, took_s

    def settle(self) -> None:
        """Record and keep the round that was noted last, unless that was done.

        It is done while the clients are at work on the next one: they need not wait for digests
        and disks. What a crash loses by it is made again from the checkpoint before.

        Raises:
            PluginError: the aggregate is not made of the replies; nothing of the round is kept.
            RecordError: the disk refused a file.
        """
        noted, self.noted = self.noted, None
        if noted is None:
            return
        position, exchange, took_s = noted
        large = exchange.bytes_up > LARGE_ROUND_BYTES
        dependence, influence = self._checked(position, exchange)
        head = self.ledger.head
        record = round_record(exchange, position.arrays, head, took_s, dependence, influence)
        # The checkpoint comes first: it holds the record too. Killed after it, a run has checkpoint
        # 7 and six lines; the seventh is copied from the checkpoint. In the other order it would
        # have seven lines and checkpoint 6: round 7 would have to be run again.
        self._checkpoint(position, record)
        self.keep_adapter(position)
        self.ledger.append(record)
        oldest = checkpoint.prune(self.run_dir, self.checkpoints)
        client_state.prune(self.run_dir / client_state.CLIENT_STATES, oldest)
        if large:
            # Flower's average leaves each reply in a circle of references (see `records_in`), and
            # with it the disk that it waits on: 4.5 GiB for 50 replies to the reference entry.
            del noted, exchange, record
            gc.collect()

    def _checked(
        self, position: Position, exchange: Exchange
    ) -> tuple[Dependence, Influence | None]:
        """Check that the aggregate of a round is made of its replies."""
        number, frozen = exchange.round, self.run.frozen
        case = Case(
            round=number,
            before=exchange.before,
            sent=exchange.sent,
            updates=[reply.arrays for reply in exchange.replies],
            examples=[reply.examples for reply in exchange.replies],
            losses=[reply.train_loss for reply in exchange.replies],
            after=position.arrays,
            travelling=[name for name in exchange.before if name not in frozen],
        )
        seed = partial(seed_draws, self.run.spec.seed, "aggregation", number)
        return check_round(case, self.own, exchange.held, seed, self.nodes)

    def keep_adapter(self, position: Position) -> None:
        """Keep the adapter of a round for good, if it is one of those."""
        number, train = position.round, self.run.spec.train
        if not 0 < number < train.rounds or number % train.save_every_rounds:
            return  # the last round's is `adapter/`
        folder = self.run_dir / f"adapter_round_{number}"
        if not (folder / ADAPTER_WEIGHTS).is_file():
            self._write_adapter(folder, position)

    def finish(self, position: Position) -> None:
        """Write the final adapter."""
        self._write_adapter(self.run_dir / ADAPTER, position)

    def _checkpoint(self, position: Position, record: RoundRecord | None) -> None:
        meta = {
            "round": position.round,
            "spec_digest": digest_of(self.run.spec),
            "data_sha256": tuple(item.sha256 for item in self.run.job.assets.data),
            "record": record,
            "state": position.state,
            "roster_sha256": self.roster_sha256,
            "device": position.device,
            "peft_config": position.peft_config,
        }
        tensors = position.state_tensors | self.own.tensors()
        checkpoint.save(self.run_dir, meta, position.arrays, tensors)

    def _write_adapter(self, folder: Path, position: Position) -> None:
        write_adapter(folder, position.arrays, position.peft_config, self.run.shapes)
