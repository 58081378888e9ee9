"""LoRA-FAIR's server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from harness_standard.aggregation.algebra import shares, stack, weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs

from harness.components import RoundPlan


class LoraFair(ByName):
    """Means of factors, B corrected towards the mean product."""

    def __init__(
        self, plan: Callable[[int], RoundPlan], sampling: Mapping[str, Any], penalty: float
    ) -> None:
        """Keep the weight of the correction's length."""
        super().__init__(plan, sampling)
        self.penalty = penalty

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average, then correct B; no matrix of a layer's size is formed."""
        factors = [float(p) for p in shares(weights)]
        new: Arrays = dict(weighted_mean(updates, weights, updates[0]))
        for a, b in pairs(tuple(new)):
            up, down = stack([u[b] for u in updates], [u[a] for u in updates], factors)
            mean_a, mean_b = np.asarray(new[a], np.float64), np.asarray(new[b], np.float64)
            gram = mean_a @ mean_a.T
            missing = up @ (down @ mean_a.T) - mean_b @ gram
            correction = np.linalg.solve(gram + self.penalty * np.eye(len(gram)), missing.T).T
            new[b] = (mean_b + correction).astype(np.float32)
        return new
