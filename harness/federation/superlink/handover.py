"""What `harness run --superlink` and the ServerApp leave for each other in a run directory."""

from __future__ import annotations

from harness.document import Document
from harness.errors import FederationError
from harness.federation.job import Job
from harness.federation.options import Options
from harness.processes.carried_error import CarriedError
from harness.record.machine import Device

APP = "app"
"""Folder of the Flower App."""
HANDOVER_FILE = "order.json"
OUTCOME_FILE = "outcome.json"
STOP_FILE = "stop"
"""An empty file of this name asks the ServerApp to end early."""


class Handover(Document):
    """What the ServerApp is to run."""

    job: Job
    options: Options
    actors: int


class ServerOutcome(Document):
    """What came of it; the rounds are in the ledger."""

    roster_sha256: str = ""
    device: Device | None = None
    duration_s: float = 0.0
    error: CarriedError | None = None
    """What ended it; None when all went well."""


def raised_again(error: CarriedError) -> BaseException:
    """Return what ended the ServerApp, of its own class where it is the harness's."""
    # Not above: a process that runs no federation itself reads names of files here.
    from harness.federation.serverapp.transport import StoppedError

    if error.name == StoppedError.__name__:
        return KeyboardInterrupt()
    kind = error.kind()
    return kind(error.message) if kind else FederationError(f"{error.name}: {error.message}")
