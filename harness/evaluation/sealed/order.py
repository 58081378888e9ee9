"""The order of an evaluation: everything that the evaluating process is told, through a pipe."""

from __future__ import annotations

from harness.document import Document
from harness.evaluation.held_out_row import HeldOutRow
from harness.processes.startup import Startup
from harness.sources.assets import Assets
from harness.spec import RunSpec


class Order(Document):
    """What is to be evaluated, and what must be found there."""

    run_dir: str
    """Absolute."""
    spec: RunSpec
    assets: Assets
    device: str | None
    """None: the spec's."""
    threads: int
    untrained: bool
    """Leave the adapter out."""
    quiet: bool
    adapter_sha256: str | None
    """Of the weights that the run made; None where nothing says so."""
    key: str
    """Of the rows' proofs, in hex."""
    held_out: tuple[HeldOutRow, ...] | None = None
    """Rows to answer instead of the official ones; nothing is written then."""
    startup: Startup
    """As the command found them when it began."""
