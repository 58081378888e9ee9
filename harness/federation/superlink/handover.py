"""What `harness run --superlink` and the ServerApp leave for each other in a run directory."""

from __future__ import annotations

from typing import Any

import harness.errors
from harness.document import Document
from harness.errors import FederationError, HarnessError
from harness.federation.options import Options
from harness.federation.wire.names import Job

ORDER = "order.json"
OUTCOME = "outcome.json"
STOP = "stop"
"""An empty file of this name asks the ServerApp to end early."""


class Order(Document):
    """What the ServerApp is to run."""

    job: Job
    options: Options
    actors: int


class Outcome(Document):
    """What came of it."""

    roster_sha256: str = ""
    facts: dict[str, Any] = {}
    duration_s: float = 0.0
    error: str = ""
    """Class of the error, "" when all went well."""
    message: str = ""


def error_of(outcome: Outcome) -> BaseException:
    """Return the error that an outcome tells, of its own class where it is the harness's."""
    if outcome.error == "StoppedError":
        return KeyboardInterrupt()
    kind = getattr(harness.errors, outcome.error, None)
    if isinstance(kind, type) and issubclass(kind, HarnessError):
        return kind(outcome.message)
    return FederationError(f"{outcome.error}: {outcome.message}")
