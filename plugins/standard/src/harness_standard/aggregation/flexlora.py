"""FlexLoRA's aggregate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.components import RoundPlan
from harness_standard.aggregation.algebra import best_rank, shares, stack
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import pairs


def flexlora(
    updates: Sequence[Mapping[str, Any]],
    weights: Sequence[float],
    scalings: Sequence[float],
    rank: int,
    scaling: float,
) -> Arrays:
    """Return the best rank-`rank` factors of the weighted mean of the clients' products.

    W = sum_i (n_i / n) s_i B_i A_i;  U S V' = svd(W);  B = U_r S_r / s,  A = V_r'

    Args:
        updates: factors of each client by name; their ranks may differ.
        weights: examples of each client.
        scalings: s_i, alpha / r (or alpha / sqrt(r)) of each client.
        rank: of the result.
        scaling: s of the result.

    Source: https://arxiv.org/abs/2402.11505
    """
    factors = [float(p) * s for p, s in zip(shares(weights), scalings, strict=True)]
    new: Arrays = {}
    for a, b in pairs(tuple(updates[0])):
        left, right = stack([u[b] for u in updates], [u[a] for u in updates], factors)
        up, down = best_rank(left, right, rank)
        new[a] = down.astype(np.float32)
        new[b] = (up / scaling).astype(np.float32)
    return new


class FlexLora(ByName):
    """Average of the products, brought back to the rank by an SVD."""

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

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average by product."""
        scalings = [self.scaling] * len(updates)
        return flexlora(updates, weights, scalings, self.rank, self.scaling)
