"""Second aggregations of the strategies of plugins/federated-lora, written from the papers.

They share no code with the strategies. Ranks grow in two of them: the first ranks of the adapter
are trained, the others stand beside the base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.federation.dependence.case import Case, Values, apart
from harness.federation.dependence.factors import A_SUFFIX, layers, shares

Array = NDArray[Any]
WITHIN = 1e-6
"""Share of a product's length that float32 factors may be off."""


def fedex_lora(case: Case, params: Mapping[str, Any]) -> float:
    """Return how far an aggregate is from FedEx-LoRA's.

    First the means of the factors, then the older residuals, then the factors of
    sum_i p_i B_i A_i - B' A'. Source: https://arxiv.org/abs/2410.09432
    """
    worst = 0.0
    for a, b in layers(case.before):
        rank = len(case.updates[0][a])
        mean_a, mean_b = case.mean(a), case.mean(b)
        ups = [np.float32(p) * u[b] for p, u in zip(shares(case), case.updates, strict=True)]
        down = [mean_a, case.before[a][rank:], *(u[a] for u in case.updates), mean_a]
        up = [mean_b, case.before[b][:, rank:], *ups, -mean_b]
        worst = max(
            worst,
            apart(case.after[a], np.concatenate(down, axis=0)),
            apart(case.after[b], np.concatenate(up, axis=1)),
        )
    return worst


def rebased(case: Case, params: Mapping[str, Any]) -> float:
    """Return how far an aggregate is from [B', -B_0] [A'; A_0], the means and the start.

    Before round 1 the adapter is the start. Sources: https://arxiv.org/abs/2404.02948 and peft's
    conversion of such an adapter to a plain LoRA of twice the rank.
    """
    worst = 0.0
    for a, b in layers(case.before):
        rank = len(case.updates[0][a])
        first = case.round == 1
        start_a = case.before[a] if first else case.before[a][rank:]
        start_b = -case.before[b] if first else case.before[b][:, rank:]
        worst = max(
            worst,
            apart(case.after[a], np.concatenate([case.mean(a), start_a], axis=0)),
            apart(case.after[b], np.concatenate([case.mean(b), start_b], axis=1)),
        )
    return worst


def fedsvd(case: Case, params: Mapping[str, Any]) -> float:
    """Return how far an aggregate is from FedSVD's: the same product, rows of A orthonormal.

    B' A' = (sum_i p_i B_i) A with A' A'^T = I, and the columns of B' orthogonal, longest first: by
    that the factors are those of the SVD, up to signs. Source: https://arxiv.org/abs/2505.12805
    """
    worst = 0.0
    for a, b in layers(case.before):
        down, up = case.after[a].astype(np.float64), case.after[b].astype(np.float64)
        if down.shape != case.before[a].shape or up.shape != case.before[b].shape:
            return 1.0
        mean, before = case.mean(b).astype(np.float64), case.before[a].astype(np.float64)
        whole, found = _square(mean, before), _square(up, down)
        both = float(np.sum((mean.T @ up) * (before @ down.T)))
        distance = max(0.0, whole + found - 2 * both)
        if whole > 0:
            worst = max(worst, _beyond_rounding((distance / whole) ** 0.5))
        grams = down @ down.T, up.T @ up
        worst = max(worst, float(np.abs(grams[0] - np.eye(len(down))).max()))
        size = float(np.trace(grams[1]))
        if size > 0:
            squares = np.diag(grams[1])
            worst = max(
                worst,
                float(np.abs(grams[1] - np.diag(squares)).max()) / size,
                float(max(0.0, np.diff(squares).max(initial=0.0))) / size,
            )
    return worst


def lora_fair(case: Case, params: Mapping[str, Any]) -> float:
    """Return how far an aggregate is from LoRA-FAIR's.

    A' is the mean, and at the best B' = B + D the gradient of ||W - B' A'||^2 + penalty ||D||^2 is
    zero: (W - B' A') A'^T = penalty D. D is found here column by column of its singular form, the
    strategy solves normal equations. Source: https://arxiv.org/abs/2411.14961
    """
    worst = 0.0
    penalty = float(params["penalty"])
    for a, b in layers(case.before):
        mean_a, mean_b = case.mean(a).astype(np.float64), case.mean(b).astype(np.float64)
        # D = (W - B A') V (S / (S^2 + penalty)) U' with A' = U S V'.
        u, s, vt = np.linalg.svd(mean_a, full_matrices=False)
        missing = -mean_b @ (u * s)
        for p, update in zip(shares(case), case.updates, strict=True):
            missing = missing + p * update[b].astype(np.float64) @ (update[a] @ vt.T)
        best = mean_b + (missing * (s / (s**2 + penalty))) @ u.T
        worst = max(
            worst,
            apart(case.after[a], np.asarray(mean_a, np.float32), case.size(a)),
            apart(case.after[b], np.asarray(best, np.float32), case.size(b)),
        )
    return worst


def hetlora(case: Case, params: Mapping[str, Any]) -> float:
    """Return how far an aggregate is from HetLoRA's: clients weighed by ||B_i A_i||, by layer.

    The length of a product is that of its singular values. Source: arxiv.org/abs/2401.06432
    """
    worst = 0.0
    for a, b in layers(case.before):
        lengths = []
        for update in case.updates:
            r_up = np.asarray(np.linalg.qr(update[b].astype(np.float64), mode="r"))
            r_down = np.asarray(np.linalg.qr(update[a].astype(np.float64).T, mode="r"))
            singular = np.linalg.svd(r_up @ r_down.T, compute_uv=False)
            lengths.append(float(np.sqrt(np.sum(singular**2))))
        if sum(lengths) <= 0:
            lengths = [1.0] * len(case.updates)
        for name in (a, b):
            worst = max(worst, apart(case.after[name], case.mean(name, lengths), case.size(name)))
    return worst


def sent_by(strategy: str) -> Callable[[Values, str, Values, float], Array | None] | None:
    """Return what a strategy sends of its own, where its adapter has more ranks than are trained.

    The function takes (the adapter before the round, a name, everything that was sent, the scale of
    B A) and returns the array of that name; None for one that it does not know.
    """
    return {
        "federated-lora/fedex-lora": _beside,
        "federated-lora/rebased": _start,
        "federated-lora/hetlora": _cut,
    }.get(strategy)


def _beside(before: Values, name: str, sent: Values, scale: float) -> Array | None:
    """FedEx-LoRA: the first ranks to train, and the rest beside the base, scaled."""
    inner = name.removeprefix("history/")
    rank = _rank(inner, sent)
    part = _ranks(before[inner], inner, slice(rank, None) if inner != name else slice(0, rank))
    scaled = inner != name and not inner.endswith(A_SUFFIX)
    return np.asarray(part * np.float32(scale) if scaled else part, np.float32)


def _start(before: Values, name: str, sent: Values, scale: float) -> Array | None:
    """Federated PiSSA: the factors to train, and the start, taken off."""
    inner = name.removeprefix("history/")
    rank = _rank(inner, sent)
    grown = before[inner].shape != sent[inner].shape
    if inner == name:
        return _ranks(before[inner], inner, slice(0, rank))
    part = _ranks(before[inner], inner, slice(rank, None)) if grown else before[inner]
    if inner.endswith(A_SUFFIX):
        return part
    # After round 1 the adapter has the start with its sign turned.
    return np.asarray(part * np.float32(scale if grown else -scale), np.float32)


def _cut(before: Values, name: str, sent: Values, scale: float) -> Array | None:
    """HetLoRA: the adapter, zero beyond the rank at which what was sent ends."""
    axis = 0 if name.endswith(A_SUFFIX) else 1
    other = np.asarray(sent[name])
    used = np.flatnonzero(np.any(other != 0, axis=1 - axis))
    kept = np.array(before[name])
    rank = int(used[-1]) + 1 if len(used) else 0
    if axis == 0:
        kept[rank:] = 0
    else:
        kept[:, rank:] = 0
    return kept


def _rank(name: str, sent: Values) -> int:
    return int(sent[name].shape[0 if name.endswith(A_SUFFIX) else 1])


def _ranks(values: Array, name: str, which: slice) -> Array:
    return values[which] if name.endswith(A_SUFFIX) else values[:, which]


def _square(up: Array, down: Array) -> float:
    return float(np.sum((up.T @ up) * (down @ down.T)))


def _beyond_rounding(distance: float) -> float:
    """A distance taken as a difference of squares has half of the digits."""
    return 0.0 if distance < WITHIN**0.5 else distance


FactorRule = Callable[[Case, Mapping[str, Any]], float]
FACTOR_RULES: dict[str, FactorRule] = {
    "federated-lora/fedex-lora": fedex_lora,
    "federated-lora/fedsvd": fedsvd,
    "federated-lora/lora-fair": lora_fair,
    "federated-lora/hetlora": hetlora,
    "federated-lora/rebased": rebased,
}
"""Qualified name of a strategy -> (round, its parameters) -> largest relative distance."""
