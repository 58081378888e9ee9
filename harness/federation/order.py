"""What the process that writes a record and the one that runs its federation say to each other."""

from __future__ import annotations

from harness.document import Document
from harness.federation.job import Job
from harness.federation.options import Options
from harness.record.federation import ClientRecord
from harness.record.machine import Device


class FederationOrder(Document):
    """A federation to run."""

    job: Job
    options: Options
    run_dir: str
    """Absolute path."""
    folder: str
    """For temporary files and Ray's, which whoever ordered deletes."""


class Report(Document):
    """What came of it, besides the files in the run directory."""

    device: Device
    """What trained, with the number of client processes of this session."""
    client: ClientRecord | None = None
    """What the one client of `Options.only` did."""
