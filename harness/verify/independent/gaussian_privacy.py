"""Epsilon of Gaussian releases by Renyi divergences, written from the papers and no library."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, inf, log, log1p

ORDERS = (*(1 + tenth / 10 for tenth in range(1, 100)), *range(11, 64), 128, 256, 512, 1024)
"""Orders of the divergence over which the smallest epsilon is taken.

Source: dp-accounting 0.6, `DEFAULT_RDP_ORDERS`, which Flower's accountant uses.
"""


def epsilon_of(noise_multipliers: Sequence[float], delta: float) -> float:
    """Return the epsilon of releases that are not amplified by sampling.

    A release with noise z has divergence a / (2 z^2) at order a, releases add up, and a divergence
    rho at order a gives rho + log(1 - 1/a) - log(delta a) / (a - 1).

    Args:
        noise_multipliers: of each release, the noise by the most that one client can change; above
            0.
        delta: the probability that the bound does not hold.

    Source: https://arxiv.org/abs/1702.07476, proposition 7; https://arxiv.org/abs/2004.00010,
        proposition 12.
    """
    rate = sum(1 / (2 * z**2) for z in noise_multipliers)
    return max(0.0, min(_at(order, order * rate, delta) for order in ORDERS))


def _at(order: float, divergence: float, delta: float) -> float:
    if divergence == inf:
        return inf
    if delta**2 + expm1(-divergence) > 0:
        return 0.0  # the total variation alone is below delta
    return divergence + log1p(-1 / order) - log(delta * order) / (order - 1)
