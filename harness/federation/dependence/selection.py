"""Krum's choice: the clients that lie closest to their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.federation.dependence.case import Case, apart

NEAR_TIE = 1e-5
"""Share of the replies' squared length by which a score may be off: Flower takes distances as
||x||^2 + ||y||^2 - 2 x y in float32, where nearly equal replies lose most of their digits."""


def krum(case: Case, params: Mapping[str, Any], count: int) -> float:
    """Return how far an aggregate is from the mean of the clients that Krum selects.

    Which clients an aggregate is the mean of is read off it: they must be those with the lowest
    scores, the sums of squared distances to the n - f - 2 nearest, near ties apart.

    Args:
        case: the round.
        params: of the strategy: `num_malicious_nodes` is f.
        count: how many clients are selected.

    Source: https://arxiv.org/abs/1703.02757
    """
    clients = len(case.updates)
    count = min(count, clients)
    products, with_after, size = _products(case)
    squares = np.diag(products)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0)
    nearest = max(1, clients - int(params["num_malicious_nodes"]) - 2)
    others = np.sort(np.where(np.eye(clients, dtype=bool), np.inf, distances), axis=1)
    scores = others[:, :nearest].sum(axis=1) if clients > 1 else np.zeros(1)
    parts, *_ = np.linalg.lstsq(products, with_after, rcond=1e-9)
    chosen = np.sort(np.argsort(-parts, kind="stable")[:count])
    left = np.setdiff1d(np.arange(clients), chosen)
    slack = NEAR_TIE * nearest * size
    if len(left) and scores[chosen].max() > scores[left].min() + slack:
        return 1.0
    weights = [case.examples[i] if i in chosen else 0 for i in range(clients)]
    return max(
        apart(values, case.mean(name, weights), case.size(name))
        if name in case.updates[0]
        else apart(values, case.before[name])
        for name, values in case.after.items()
    )


def _products(case: Case) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return the inner products of the clients' changes, those with the aggregate's change, and the
    largest squared length of a reply."""
    clients = len(case.updates)
    products = np.zeros((clients, clients))
    with_after, sizes = np.zeros(clients), np.zeros(clients)
    for name in case.updates[0]:
        base = case.before[name].reshape(-1).astype(np.float64)
        flat = np.stack([u[name].reshape(-1).astype(np.float64) for u in case.updates])
        sizes += np.einsum("ij,ij->i", flat, flat)
        flat -= base
        products += flat @ flat.T
        with_after += flat @ (case.after[name].reshape(-1).astype(np.float64) - base)
    return products, with_after, float(sizes.max())
