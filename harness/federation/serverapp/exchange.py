"""What the way to the clients must know, and what it gives back of a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.components import RoundPlan
from harness.federation.serverapp.reply_checks import Reply


@dataclass(frozen=True, slots=True)
class Limits:
    """What the grid enforces."""

    clients_per_round: int
    limit_bytes: int
    """Of all train messages, both directions."""
    client_timeout_s: float
    silence_s: Callable[[int], float]
    """(messages under way) -> seconds after which the server gives up waiting."""
    retries: int


@dataclass(frozen=True, slots=True)
class Session:
    """What the grid needs to know of the run."""

    order: Mapping[str, Any]
    """Keys of the harness's ConfigRecord that every message carries."""
    plan_of: Callable[[int], RoundPlan]
    """Round -> what it moves."""
    read_keys: frozenset[str]
    """Keys of a strategy's config that its client part reads."""
    recover: Callable[[], None]
    """Called after a fault, before the retry; brings dead clients back."""
    only: int | None = None
    """Ask this partition alone, and end with ReplayedError."""
    on_reply: Callable[[int], None] = lambda partition: None
    """Called with the partition of each good reply, in order of arrival."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round's traffic."""

    round: int
    replies: tuple[Reply, ...]
    """In partition order."""
    bytes_down: int
    bytes_up: int
    rest: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Tensors of the adapter that every client held and nobody returned."""


class ReplayedError(Exception):
    """The one client of a replay has answered."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply."""
        super().__init__(f"partition {reply.partition} was replayed")
        self.reply = reply
