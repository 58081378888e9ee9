"""What `harness run --superlink` and the ServerApp leave for each other in a run directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from harness.document import Document
from harness.errors import FederationError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.processes.carried_error import CarriedError
from harness.record.federation import RoundRecord
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

    @classmethod
    def of(cls, done: FederationOutcome) -> Self:
        """Return what is carried of a federation that went well."""
        return cls(roster_sha256=done.roster_sha256, device=done.device, duration_s=done.duration_s)

    def of_rounds(self, rounds: Iterable[RoundRecord]) -> FederationOutcome:
        """Return what the federation gave.

        Args:
            rounds: the ledger's.

        Raises:
            KeyboardInterrupt: the ServerApp was stopped.
            HarnessError: what ended the ServerApp.
        """
        if self.error is not None:
            raise _raised_again(self.error)
        assert self.device is not None
        return FederationOutcome(tuple(rounds), self.roster_sha256, self.device, self.duration_s)


def _raised_again(error: CarriedError) -> BaseException:
    """Return what ended the ServerApp, of its own class where it is the harness's."""
    # Not above: a process that runs no federation itself reads names of files here.
    from harness.federation.serverapp.transport import StoppedError

    if error.name == StoppedError.__name__:
        return KeyboardInterrupt()
    kind = error.kind()
    return kind(error.message) if kind else FederationError(f"{error.name}: {error.message}")
