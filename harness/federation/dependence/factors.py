"""Aggregates of low-rank factors by layer: FLoRA's stack and FlexLoRA's best product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.federation.dependence.case import Case, apart

A_SUFFIX = ".lora_A.weight"
B_SUFFIX = ".lora_B.weight"


def layers(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names (A, B) of each layer's factors."""
    return [(n, n.removesuffix(A_SUFFIX) + B_SUFFIX) for n in names if n.endswith(A_SUFFIX)]


def shares(case: Case) -> list[float]:
    """Return the share of each client in all examples."""
    return [count / sum(case.examples) for count in case.examples]


def flora(case: Case) -> float:
    """Return how far an aggregate is from FLoRA's: B' = [B, p_1 B_1 ...], A' = [A; A_1; ...].

    Before round 1 the adapter is the seeded start, which is no part of the stack.

    Source: https://arxiv.org/abs/2409.05976
    """
    worst = 0.0
    for a, b in layers(case.before):
        downs = [update[a] for update in case.updates]
        ups = [np.float32(p) * u[b] for p, u in zip(shares(case), case.updates, strict=True)]
        if case.round > 1:
            downs, ups = [case.before[a], *downs], [case.before[b], *ups]
        worst = max(
            worst,
            apart(case.after[a], np.concatenate(downs, axis=0)),
            apart(case.after[b], np.concatenate(ups, axis=1)),
        )
    return worst


def flexlora(case: Case) -> float:
    """Return how far the products of an aggregate are from FlexLoRA's.

    FlexLoRA's product is the best of its rank to W = sum_i p_i B_i A_i. By Eckart and Young the
    best leaves out the smallest singular values of W and nothing else, so whatever more an
    aggregate leaves out is its distance: ||W - P||^2 = tail^2 + distance^2. No product is formed
    and no SVD is taken: with L all p_i B_i side by side and R all A_i stacked, the squares of W's
    singular values are the eigenvalues of L'L R R'.

    Source: https://arxiv.org/abs/2402.11505
    """
    return max(_product_distance(case, a, b) for a, b in layers(case.before))


def _product_distance(case: Case, a: str, b: str) -> float:
    down = case.after[a].astype(np.float64)
    up = case.after[b].astype(np.float64)
    parts = zip(shares(case), case.updates, strict=True)
    left = np.concatenate([p * u[b].astype(np.float64) for p, u in parts], axis=1)
    right = np.concatenate([u[a].astype(np.float64) for u in case.updates], axis=0)
    grams = left.T @ left, right @ right.T
    whole = float(np.sum(grams[0] * grams[1]))
    if whole <= 0:
        return float(np.any(up @ down))
    values, vectors = np.linalg.eigh(grams[1])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    squares = np.linalg.eigvalsh(root @ grams[0] @ root)
    tail = float(np.sum(squares[: max(0, len(squares) - down.shape[0])]))
    product: NDArray[Any] = (up.T @ up) * (down @ down.T)
    both = float(np.sum((left.T @ up) * (right @ down.T)))
    residual = whole - 2 * both + float(np.sum(product))
    return float((max(0.0, residual - max(0.0, tail)) / whole) ** 0.5)
