"""The weighted mean of those adapter tensors that the clients returned."""

from __future__ import annotations

from collections.abc import Sequence

from harness_standard.aggregation.algebra import weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName


class PartialMean(ByName):
    """FedAvg over what travels up; the rest of the adapter stays. FFA-LoRA, RoLoRA, FedSA-LoRA."""

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average what came."""
        return dict(weighted_mean(updates, weights, updates[0]))
