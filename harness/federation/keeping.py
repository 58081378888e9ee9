"""What a round leaves on the disk: checkpoint, adapter, line of the ledger, in this order.

A crash between any two of them loses nothing: `harness.federation.resume` says what is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flwr.serverapp.strategy import Strategy

from harness.document import digest_of, write_atomic
from harness.federation import checkpoint, kept, state
from harness.federation.asking import Asker
from harness.federation.ledger import Ledger
from harness.federation.resume import Position
from harness.federation.wire import FILES, QUERY_SAVE, Job
from harness.record.federation import RoundRecord

ADAPTER = "adapter"
WEIGHTS = "adapter_model.safetensors"


class Keeper:
    """Writes the files of one run directory."""

    def __init__(
        self, run_dir: Path, job: Job, ledger: Ledger, asker: Asker, roster_sha256: str
    ) -> None:
        """Write for `job` into `run_dir`; a client reached by `asker` makes the adapter's files."""
        self.run_dir = run_dir
        self.job = job
        self.ledger = ledger
        self.asker = asker
        self.roster_sha256 = roster_sha256

    def begin(
        self, arrays: dict[str, np.ndarray], strategy: Strategy, facts: dict[str, Any]
    ) -> Position:
        """Keep the initial adapter as round 0 and return that position."""
        self.ledger.keep(0)
        return self._checkpoint(0, None, arrays, strategy, facts)

    def close_round(
        self,
        record: RoundRecord,
        arrays: dict[str, np.ndarray],
        strategy: Strategy,
        facts: dict[str, Any],
        checkpoints: int,
    ) -> None:
        """Keep a finished round; its newest `checkpoints` checkpoints stay.

        Raises:
            RecordError: the disk refused a file.
            PluginError: the strategy holds what a checkpoint cannot keep.
        """
        self._checkpoint(record.round, record, arrays, strategy, facts)
        self.keep_adapter(record.round, arrays)
        self.ledger.append(record)
        oldest = checkpoint.prune(self.run_dir, checkpoints)
        kept.prune(self.run_dir / kept.FOLDER, oldest)

    def keep_adapter(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the adapter of every so many rounds for good; the last one is `adapter/`."""
        train = self.job.spec.train
        folder = self.run_dir / f"adapter_round_{number}"
        due = number > 0 and number < train.rounds and number % train.save_every_rounds == 0
        if due and not (folder / WEIGHTS).is_file():
            self._write_adapter(folder, arrays)

    def finish(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the final adapter."""
        self._write_adapter(self.run_dir / ADAPTER, arrays)

    def _checkpoint(
        self,
        number: int,
        record: RoundRecord | None,
        arrays: dict[str, np.ndarray],
        strategy: Strategy,
        facts: dict[str, Any],
    ) -> Position:
        value, tensors = state.capture(strategy)
        meta = {
            "round": number,
            "spec_digest": digest_of(self.job.spec),
            "data_sha256": tuple(item.sha256 for item in self.job.assets.data),
            "record": record,
            "state": value,
            "roster_sha256": self.roster_sha256,
            "facts": facts,
        }
        checkpoint.save(self.run_dir, meta, arrays, tensors)
        return Position(number, arrays, value, tensors, facts)

    def _write_adapter(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        files = self.asker.query(QUERY_SAVE, arrays).config_records[FILES]
        for name in sorted(files):
            write_atomic(folder / name, bytes(files[name]))
