"""FedSVD's server."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from harness_standard.aggregation.algebra import best_rank, weighted_mean
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs


class FedSvd(ByName):
    """The mean of B, its product with A taken apart by an SVD of the rank's size."""

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average B and factor B A anew."""
        mean = weighted_mean(updates, weights, updates[0])
        new: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            left = np.asarray(mean[b], np.float64)
            right = np.asarray(self.adapter[a], np.float64)
            up, down = best_rank(left, right, right.shape[0])
            new[a], new[b] = down.astype(np.float32), up.astype(np.float32)
        return new
