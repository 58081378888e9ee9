"""The server of federated PiSSA and OLoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from harness_standard.aggregation.algebra import weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs

from harness.components import HISTORY, RoundPlan


class Rebased(ByName):
    """Before round 1 the adapter is the start; after it, the means and, behind them, the start."""

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

    def _start(self, a: str, b: str) -> tuple[Any, Any]:
        """Return A_0 (r, in) and B_0 (out, r)."""
        down, up = self.adapter[a], self.adapter[b]
        if len(down) == self.rank:
            return down, up
        return down[self.rank :], -up[:, self.rank :]

    def own_arrays(self) -> Arrays:
        """The factors to train, and the start to take off, its scale in B."""
        sent: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            down, up = self._start(a, b)
            sent[a] = self.adapter[a][: self.rank]
            sent[b] = np.ascontiguousarray(self.adapter[b][:, : self.rank])
            sent[HISTORY + a] = down
            sent[HISTORY + b] = np.ascontiguousarray(-up * np.float32(self.scaling), np.float32)
        return sent

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average the factors and put the start behind them."""
        mean = weighted_mean(updates, weights, updates[0])
        new: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            down, up = self._start(a, b)
            new[a] = np.concatenate([mean[a], down], axis=0)
            new[b] = np.concatenate([mean[b], -up], axis=1)
        return new
