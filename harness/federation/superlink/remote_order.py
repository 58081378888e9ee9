"""A run on a SuperLink that shares no folder with its caller: what the two write for each other."""

from __future__ import annotations

from pydantic import Field

from harness.document import Document
from harness.federation.options import Options
from harness.record.data import DataRecord

ORDER_FILE = "order.json"
"""In the app's package, beside the spec."""

REMOTE_FILE = "superlink.json"
"""In the caller's run directory."""


class RemoteOrder(Document):
    """What the ServerApp is to run, besides spec and challenge."""

    name: str = Field(pattern=r"[a-z0-9-]{1,80}")
    """Of the run's folder on the ServerApp's machine, below `~/flowertune-runs`; the same for all
    sessions of one run."""
    options: Options
    data: tuple[DataRecord, ...]
    """Model and data by digest: every SuperNode must find the same."""


class RemoteRun(Document):
    """The place where a run of this directory is at work."""

    connection: str
    """Name in Flower's configuration."""
    name: str
    """Of the order."""
    run_id: int | None = None
    """Flower's number of the newest session; None before it has begun."""
