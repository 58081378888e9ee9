"""SCAFFOLD's server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.components import RoundPlan
from harness_standard.aggregation.algebra import weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.control_variates import CONTROL, CONTROL_DELTA


class Scaffold(ByName):
    """x' = x + eta_g mean(y_i - x);  c' = c + |S|/N mean(c_i' - c_i)."""

    def __init__(
        self,
        plan: Callable[[int], RoundPlan],
        sampling: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        num_supernodes: int,
        server_learning_rate: float,
    ) -> None:
        """Start with a control variate of zero."""
        super().__init__(plan, sampling)
        self.num_supernodes = num_supernodes
        self.server_learning_rate = server_learning_rate
        self.control: Arrays = {
            name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()
        }

    def own_arrays(self) -> Arrays:
        """The server's control variate, under its own names."""
        return {CONTROL + name: value for name, value in self.control.items()}

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Step the adapter and the control variate; means are uniform, as in the paper."""
        ones = [1.0] * len(updates)
        mean = weighted_mean(updates, ones, updates[0])
        share = len(updates) / self.num_supernodes
        for name in self.control:
            step = share * mean[CONTROL_DELTA + name].astype(np.float64)
            self.control[name] = (self.control[name] + step).astype(np.float32)
        eta = self.server_learning_rate
        return {
            name: (x + eta * (mean[name].astype(np.float64) - x)).astype(np.float32)
            for name, x in self.adapter.items()
        }
