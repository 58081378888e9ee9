"""What a round leaves on the disk: checkpoint, adapter, line of the ledger, in this order.

A crash between any two of them loses nothing: `harness.federation.storage.resume` says what is made
of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.document import digest_of, write_atomic
from harness.federation.clientapp import client_state
from harness.federation.serverapp.client_requests import Asker
from harness.federation.serverapp.exchange import Exchange
from harness.federation.serverapp.round_record import round_record
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.federation.storage.resume import Position
from harness.federation.wire.names import FILES, QUERY_SAVE, Job
from harness.record.federation import RoundRecord

ADAPTER = "adapter"
WEIGHTS = "adapter_model.safetensors"


class Keeper:
    """Writes the files of one run directory."""

    def __init__(
        self,
        run_dir: Path,
        job: Job,
        ledger: Ledger,
        asker: Asker,
        roster_sha256: str,
        checkpoints: int,
    ) -> None:
        """Write for `job` into `run_dir`.

        Args:
            run_dir: the run directory.
            job: the run.
            ledger: its rounds.
            asker: reaches the client that makes an adapter's files.
            roster_sha256: digest of the roster.
            checkpoints: the newest that stay.
        """
        self.run_dir = run_dir
        self.job = job
        self.ledger = ledger
        self.asker = asker
        self.roster_sha256 = roster_sha256
        self.checkpoints = checkpoints
        self.noted: tuple[Position, Exchange, float] | None = None

    def begin(self, position: Position) -> None:
        """Keep round 0, the initial adapter."""
        self.ledger.keep(0)
        self._checkpoint(position, None)

    def note(self, position: Position, exchange: Exchange, took_s: float) -> None:
        """Take note of a round that is over, to be kept by `settle`.

        Raises:
            RecordError: as `settle`, for a round whose adapter is kept: a client makes its files,
                and all of them are free now.
        """
        self.noted = position, exchange, took_s
        if self._keeps_adapter(position.round):
            self.settle()

    def settle(self) -> None:
        """Record and keep the round that was noted last, unless that was done.

        It is done while the clients are at work on the next one: they need not wait for digests
        and disks. What a crash loses by it is made again from the checkpoint before.

        Raises:
            RecordError: the disk refused a file.
        """
        noted, self.noted = self.noted, None
        if noted is None:
            return
        position, exchange, took_s = noted
        record = round_record(exchange, position.arrays, self.ledger.head, took_s)
        self._checkpoint(position, record)
        self.keep_adapter(position.round, position.arrays)
        self.ledger.append(record)
        oldest = checkpoint.prune(self.run_dir, self.checkpoints)
        client_state.prune(self.run_dir / client_state.FOLDER, oldest)

    def keep_adapter(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the adapter of a round for good, if it is one of those."""
        folder = self.run_dir / f"adapter_round_{number}"
        if self._keeps_adapter(number) and not (folder / WEIGHTS).is_file():
            self._write_adapter(folder, arrays)

    def finish(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the final adapter."""
        self._write_adapter(self.run_dir / ADAPTER, arrays)

    def _keeps_adapter(self, number: int) -> bool:
        """Return whether the adapter of this round is kept for good; the last is `adapter/`."""
        train = self.job.spec.train
        return 0 < number < train.rounds and number % train.save_every_rounds == 0

    def _checkpoint(self, position: Position, record: RoundRecord | None) -> None:
        meta = {
            "round": position.round,
            "spec_digest": digest_of(self.job.spec),
            "data_sha256": tuple(item.sha256 for item in self.job.assets.data),
            "record": record,
            "state": position.state,
            "roster_sha256": self.roster_sha256,
            "facts": position.facts,
        }
        checkpoint.save(self.run_dir, meta, position.arrays, position.state_tensors)

    def _write_adapter(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        files = self.asker.query(QUERY_SAVE, arrays).config_records[FILES]
        for name in sorted(files):
            write_atomic(folder / name, bytes(files[name]))
