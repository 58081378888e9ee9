"""FedEx-LoRA's server: means of factors, and the residuals of all rounds beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from harness_standard.aggregation.algebra import shares, stack, weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs

from harness.components import HISTORY, RoundPlan


class FedExLora(ByName):
    """The adapter is [A; history], [B, history]: the first `rank` ranks are trained."""

    def __init__(
        self,
        plan: Callable[[int], RoundPlan],
        sampling: Mapping[str, Any],
        rank: int,
        scaling: float,
    ) -> None:
        """Keep the rank and the scaling, which all clients of a run share."""
        super().__init__(plan, sampling)
        self.rank = rank
        self.scaling = scaling

    def own_arrays(self) -> Arrays:
        """The factors to train, and the residuals with their scale in B."""
        sent: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            down, up = self.adapter[a], self.adapter[b]
            sent[a], sent[b] = down[: self.rank], np.ascontiguousarray(up[:, : self.rank])
            sent[HISTORY + a] = down[self.rank :]
            residual = up[:, self.rank :] * np.float32(self.scaling)
            sent[HISTORY + b] = np.ascontiguousarray(residual, dtype=np.float32)
        return sent

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average the factors; put the residual of the mean product behind the older ones."""
        factors = [float(p) for p in shares(weights)]
        mean = weighted_mean(updates, weights, updates[0])
        new: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            up, down = stack([u[b] for u in updates], [u[a] for u in updates], factors)
            ups = [mean[b], self.adapter[b][:, self.rank :], up, -mean[b]]
            downs = [mean[a], self.adapter[a][self.rank :], down, mean[a]]
            new[a] = np.concatenate(downs, axis=0).astype(np.float32)
            new[b] = np.concatenate(ups, axis=1).astype(np.float32)
        return new
