"""How a federation is run, and what it gives. No number of a run depends on its options."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from harness.document import Document
from harness.record.federation import ClientRecord, RoundRecord
from harness.record.isolation import Policy
from harness.record.machine import Device


class Options(Document):
    """How to run; none of it changes a digest."""

    actors: int | None = Field(None, ge=1)
    """Client processes; None: as many as cores, memory and sampled clients allow."""
    client_timeout_s: float = Field(3600.0, gt=0)
    """Longest time of one client in one round, once its process has loaded the model."""
    retries: int = Field(2, ge=0)
    """How often a failed client is asked again."""
    keep_checkpoints: int = Field(2, ge=1)
    """Newest checkpoints that stay on the disk."""
    grace_s: float = Field(960.0, ge=0)
    """How much longer than the clients' limits the server waits before it gives up on them."""
    quiet: bool = False
    """No progress on stderr."""
    until: int | None = Field(None, ge=1)
    """Stop after this round, without writing the final adapter; None: all rounds."""
    only: int | None = Field(None, ge=0)
    """Train only this partition of the first round that is due, and stop; for a replay."""
    isolation: Policy = "auto"
    """Whether plugin code is held back from files and network; see `harness.isolation`."""
    rehearse: bool = True
    """Whether a strategy that the harness has no formula for is tried on small arrays before."""
    keep_steps: bool = False
    """Clients keep digests of what they held at each step, for `harness dispute`."""
    superlink: str | None = None
    """Name of a SuperLink connection of Flower's configuration; None: Flower in this process."""
    ray_address: str | None = None
    """A Ray cluster that others have started, as `ray.init` takes it, whose nodes the clients are
    on; None: a Ray of the run's own, on this machine."""


@dataclass(frozen=True, slots=True)
class FederationOutcome:
    """What a federation gave, beside the files in its run directory."""

    rounds: tuple[RoundRecord, ...]
    roster_sha256: str
    device: Device
    """What trained, with the number of client processes of this session."""
    duration_s: float
    """Of this session."""
    client: ClientRecord | None = None
    """What the one client of `Options.only` did."""
