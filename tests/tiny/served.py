"""The server over a grid without an engine: everything is real but Flower's processes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_grid import LocalGrid
from tiny_run import TinyRun

from harness.federation.open_run import OpenRun
from harness.federation.options import FederationOutcome, Options
from harness.federation.serverapp.coordinator import Coordinator
from harness.federation.serverapp.transport import Transport


@dataclass
class Served:
    """What a test looks at."""

    outcome: FederationOutcome
    grid: LocalGrid
    recovered: int
    """How often the server asked for dead clients to be brought back."""

    @property
    def digests(self) -> list[str]:
        """Digests of all rounds."""
        return [item.digest for item in self.outcome.rounds]


def warm(run: TinyRun) -> None:
    """Load the model and tokenise every partition now, for this process and those it forks."""
    from harness.document import sha256_text
    from harness.federation import client
    from harness.federation.clientapp.worker import Worker

    text = run.job.canonical_json()
    client._worker = Worker(run.job, sha256_text(text))
    for partition in range(run.challenge.num_supernodes):
        client._worker.trainer.rows.examples(partition)


def serve(run: TinyRun, run_dir: Path, grid: LocalGrid | None = None, **chosen: Any) -> Served:
    """Run, or resume, `run` in `run_dir`; `chosen` are fields of `Options`."""
    grid = grid or LocalGrid(run.challenge.num_supernodes)
    recovered: list[int] = []
    transport = Transport(grid, 1, threading.Event(), lambda: recovered.append(1))
    options = Options(quiet=True, **chosen)
    coordinator = Coordinator(OpenRun(run.job), transport, run_dir, options)
    return Served(coordinator.run(), grid, len(recovered))
