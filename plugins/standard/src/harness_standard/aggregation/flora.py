"""FLoRA's server: a stack that grows by every client's factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.components import HISTORY, RoundPlan
from harness_standard.aggregation.algebra import shares, stack
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs


class Flora(ByName):
    """Sends the stack of all rounds, gets fresh factors, and puts them under the stack.

    After round 1 the adapter is the stack; before it, it is the seeded start, which is no history.
    """

    def __init__(
        self,
        plan: Callable[[int], RoundPlan],
        sampling: Mapping[str, Any],
        scaling: float,
    ) -> None:
        """Keep the scaling of B A, which all clients of a run share."""
        super().__init__(plan, sampling)
        self.scaling = scaling

    def own_arrays(self) -> Arrays:
        """The stack with its scale in B, so that a client adds B A and nothing else."""
        sent: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            sent[HISTORY + a] = self.adapter[a]
            sent[HISTORY + b] = (self.adapter[b] * np.float32(self.scaling)).astype(np.float32)
        return sent

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Stack: B' = [B, p_1 B_1, ..., p_K B_K], A' = [A; A_1; ...; A_K]."""
        factors = [float(p) for p in shares(weights)]
        new: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            up, down = stack([u[b] for u in updates], [u[a] for u in updates], factors)
            if round > 1:
                up = np.concatenate([self.adapter[b], up], axis=1)
                down = np.concatenate([self.adapter[a], down], axis=0)
            new[a], new[b] = down.astype(np.float32), up.astype(np.float32)
        return new
