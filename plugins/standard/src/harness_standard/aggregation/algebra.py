"""Means and products of low-rank factors, in float64, without forming a full matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def shares(weights: Sequence[float]) -> Matrix:
    """Return the weights divided by their sum."""
    values = np.asarray(weights, dtype=np.float64)
    return np.asarray(values / values.sum())


def weighted_mean(
    updates: Sequence[Mapping[str, NDArray[np.float32]]],
    weights: Sequence[float],
    names: Iterable[str],
) -> dict[str, NDArray[np.float32]]:
    """Return sum_i (n_i / n) w_i of the named tensors, summed in float64."""
    share = shares(weights)
    means: dict[str, NDArray[np.float32]] = {}
    for name in names:
        parts = zip(share, (np.asarray(item[name], np.float64) for item in updates), strict=True)
        means[name] = np.asarray(sum(p * value for p, value in parts), dtype=np.float32)
    return means


def stack(
    ups: Sequence[NDArray[np.float32]],
    downs: Sequence[NDArray[np.float32]],
    factors: Sequence[float],
) -> tuple[Matrix, Matrix]:
    """Return B (out, sum r_i) and A (sum r_i, in) with B A = sum_i factors_i B_i A_i, exactly.

    Args:
        ups: B_i, (out, r_i); ranks may differ.
        downs: A_i, (r_i, in).
        factors: weight times scaling of each product.
    """
    left = [f * np.asarray(up, np.float64) for f, up in zip(factors, ups, strict=True)]
    right = [np.asarray(down, np.float64) for down in downs]
    return np.concatenate(left, axis=1), np.concatenate(right, axis=0)


def best_rank(left: Matrix, right: Matrix, rank: int) -> tuple[Matrix, Matrix]:
    """Return the factors (out, rank) and (rank, in) of the best rank-`rank` product.

    The SVD of left @ right, cut to its largest `rank` singular values: U S and V'. It is taken in
    the small space that the factors span. Rows of V' are given a sign (their largest entry is
    positive), so that equal input gives equal factors. Missing ranks are filled with zeros.
    """
    q_left, r_left = np.linalg.qr(left)
    q_right, r_right = np.linalg.qr(right.T)
    u, s, vt = np.linalg.svd(r_left @ r_right.T)
    kept = min(rank, len(s))
    up = q_left @ (u[:, :kept] * s[:kept])
    down = vt[:kept] @ q_right.T
    sign = np.sign(down[np.arange(kept), np.abs(down).argmax(axis=1)])
    sign[sign == 0] = 1.0
    up, down = up * sign, down * sign[:, None]
    pad = rank - kept
    return np.pad(up, ((0, 0), (0, pad))), np.pad(down, ((0, pad), (0, 0)))
