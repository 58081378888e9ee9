"""The case of a round: everything that its aggregate may be made of, and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[Any]]
"""Tensor name -> float32 values."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a round began with, what came back, and the aggregate."""

    round: int
    before: Values
    """The whole adapter that the round began with."""
    sent: Sequence[Values]
    """What the clients were sent; what went to many, once."""
    updates: Sequence[Values]
    """What each client returned, in partition order."""
    examples: Sequence[int]
    losses: Sequence[float]
    after: Values
    """The aggregate: the whole adapter that the next round begins with."""
    travelling: Sequence[str]
    """Tensors of the adapter that the strategy sees; the others are frozen."""

    def mean(self, name: str, weights: Sequence[float] | None = None) -> NDArray[Any]:
        """Return the mean of a tensor, weighted by examples unless told otherwise.

        In float32 and in the clients' order, as Flower sums: what a server optimizer makes of a
        difference of nearly equal numbers depends on their last bits.
        """
        weights = self.examples if weights is None else weights
        total = float(sum(weights))
        parts = zip(weights, self.updates, strict=True)
        summed = sum(update[name] * np.float32(weight / total) for weight, update in parts)
        return np.asarray(summed, np.float32)

    def size(self, name: str) -> float:
        """Return the length (L2) of a tensor as the first client returned it; 0.0 if it did not."""
        update = self.updates[0].get(name)
        return 0.0 if update is None else length(update)


def length(values: NDArray[Any]) -> float:
    """Return the length (L2) of a tensor."""
    flat = values.reshape(-1)
    return float(np.sqrt(np.dot(flat, flat)))


def apart(found: NDArray[Any], expected: NDArray[Any], size: float = 0.0) -> float:
    """Return how far a tensor is from what it should be, relative to its size.

    Args:
        found: the tensor.
        expected: what it should be.
        size: the length that counts where the expected one is shorter: that of what it was made of,
            since a mean of opposite numbers is as inexact as they are.
    """
    if found.shape != expected.shape:
        return 1.0
    distance = length(np.asarray(found - expected))
    whole = max(length(expected), size)
    if not np.isfinite(distance):
        return 1.0
    return distance / whole if whole > 0 else float(distance > 0)
