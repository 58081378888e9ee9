"""What each known strategy makes of its clients' replies, written from the papers.

It shares no code with the strategies, so that the two check each other. A rule answers with how far
an aggregate is from its own, and with what it keeps for the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.federation.dependence.case import Case, apart
from harness.federation.dependence.factor_strategies import FACTOR_RULES, FactorRule
from harness.federation.dependence.factors import flexlora, flora
from harness.federation.dependence.selection import krum

Kept = dict[str, NDArray[Any]]
"""`m/<tensor>` and the like -> float32 values: what a rule knows from the rounds before."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule knows beside the round itself."""

    params: Mapping[str, Any]
    """Of the strategy, complete."""
    supernodes: int
    noise_seed: int
    """Of numpy's generator when the aggregate of the round is made; 32 bits."""
    kept: Mapping[str, NDArray[Any]]
    """What the rule kept after the round before; empty in round 1."""


Rule = Callable[[Case, Known], tuple[float, Kept]]
"""(round, what else is known) -> (largest relative distance of a tensor, what is kept)"""


def by_tensor(case: Case, new: Callable[[str], NDArray[Any]]) -> float:
    """Return the largest distance of a tensor from its new value; what nobody returned stays."""
    returned = case.updates[0]
    names = list(returned) + [name for name in case.after if name not in returned]
    return max(
        apart(
            case.after[name],
            new(name) if name in returned else case.before[name],
            case.size(name),
        )
        for name in names
        if name in case.after
    )


def fedavg(case: Case, known: Known) -> tuple[float, Kept]:
    """FedAvg: w' = sum_i (n_i / n) w_i. Source: https://arxiv.org/abs/1602.05629

    FedProx, FFA-LoRA, RoLoRA and FedSA-LoRA differ in what is trained and returned, not in this.
    """
    return by_tensor(case, case.mean), {}


def fedavgm(case: Case, known: Known) -> tuple[float, Kept]:
    """FedAvgM: v' = beta v + d; w' = w + eta v'. Source: https://arxiv.org/abs/1909.06335"""
    beta, eta = (
        float(known.params["server_momentum"]),
        float(known.params["server_learning_rate"]),
    )
    kept: Kept = {}

    def new(name: str) -> NDArray[Any]:
        step = case.mean(name) - case.before[name]
        if beta:
            step = np.asarray(step + beta * known.kept.get(f"v/{name}", 0), np.float32)
            kept[f"v/{name}"] = step
        return np.asarray(case.before[name] + eta * step)

    return by_tensor(case, new), kept


def fedopt(second: Callable[..., NDArray[Any]]) -> Rule:
    """Return the rule of an adaptive server optimizer. Source: https://arxiv.org/abs/2003.00295

    Args:
        second: (v, d^2, beta_2) -> the new second moment.
    """

    def rule(case: Case, known: Known) -> tuple[float, Kept]:
        params, kept = known.params, Kept()
        beta_1, beta_2 = float(params.get("beta_1", 0.0)), float(params.get("beta_2", 0.0))
        eta = float(params["eta"])
        if second is adam:
            # Source: flwr 1.41 FedAdam, which corrects the bias of round t as of step t + 1.
            eta *= float(np.sqrt(1 - beta_2 ** (case.round + 1)) / (1 - beta_1 ** (case.round + 1)))

        def new(name: str) -> NDArray[Any]:
            d = case.mean(name) - case.before[name]
            m = np.asarray(beta_1 * known.kept.get(f"m/{name}", 0) + (1 - beta_1) * d, np.float32)
            v = second(known.kept.get(f"v/{name}", np.zeros_like(d)), d**2, beta_2)
            v = np.asarray(v, np.float32)
            if beta_1:
                kept[f"m/{name}"] = m
            kept[f"v/{name}"] = v
            return np.asarray(case.before[name] + eta * m / (np.sqrt(v) + float(params["tau"])))

        return by_tensor(case, new), kept

    return rule


def adam(v: NDArray[Any], square: NDArray[Any], beta_2: float) -> NDArray[Any]:
    """FedAdam: v' = b2 v + (1 - b2) d^2."""
    return np.asarray(beta_2 * v + (1 - beta_2) * square)


def yogi(v: NDArray[Any], square: NDArray[Any], beta_2: float) -> NDArray[Any]:
    """FedYogi: v' = v - (1 - b2) d^2 sign(v - d^2)."""
    return np.asarray(v - (1 - beta_2) * square * np.sign(v - square))


def adagrad(v: NDArray[Any], square: NDArray[Any], beta_2: float) -> NDArray[Any]:
    """FedAdagrad: v' = v + d^2."""
    return np.asarray(v + square)


def qfedavg(case: Case, known: Known) -> tuple[float, Kept]:
    """q-FedAvg: w' = w - sum_i F_i^q L (w - w_i) / sum_i h_i. Source: arxiv.org/abs/1905.10497

    h_i = q F_i^(q-1) ||L (w - w_i)||^2 + L F_i^q with F_i the client's loss and L one over its
    learning rate.
    """
    q, lipschitz = float(known.params["q"]), 1 / float(known.params["client_learning_rate"])
    names = case.updates[0].keys()
    # Source: flwr 1.41, which adds 1e-10 to a loss so that it has a root.
    weights = [(loss + 1e-10) ** q for loss in case.losses]
    bottom = 0.0
    for loss, weight, update in zip(case.losses, weights, case.updates, strict=True):
        norm = lipschitz**2 * squared(case.before[name] - update[name] for name in names)
        bottom += q * (loss + 1e-10) ** (q - 1) * norm + lipschitz * weight

    def new(name: str) -> NDArray[Any]:
        pairs = zip(weights, case.updates, strict=True)
        top = sum(w * lipschitz * (case.before[name] - update[name]) for w, update in pairs)
        return np.asarray(case.before[name] - top / bottom)

    return by_tensor(case, new), {}


def trimmed(share: Callable[[Known, int], int]) -> Rule:
    """Return the rule of a mean without the lowest and highest values, element by element.

    Args:
        share: (what is known, clients) -> how many are cut at each end.

    Source: https://arxiv.org/abs/1803.01498
    """

    def rule(case: Case, known: Known) -> tuple[float, Kept]:
        count = len(case.updates)
        cut = share(known, count)

        def new(name: str) -> NDArray[Any]:
            ordered = np.sort(np.stack([update[name] for update in case.updates]), axis=0)
            return np.asarray(ordered[cut : count - cut].mean(axis=0))

        return by_tensor(case, new), {}

    return rule


def private(clip: bool) -> Rule:
    """Return the rule of central differential privacy. Source: https://arxiv.org/abs/1710.06963

    w' = w + sum_i (n_i / n) d_i + N(0, (z C / K)^2), d_i clipped to C by the server or the client.
    The noise comes of the run's seed: it is drawn again here.
    """

    def rule(case: Case, known: Known) -> tuple[float, Kept]:
        norm = float(known.params["clipping_norm"])
        spread = float(known.params["noise_multiplier"]) * norm / len(case.updates)
        names = list(case.updates[0])
        scales = [1.0] * len(case.updates)
        if clip:
            lengths = [
                squared(update[name] - case.before[name] for name in names) ** 0.5
                for update in case.updates
            ]
            scales = [min(1.0, norm / size) if size else 1.0 for size in lengths]
        draw = np.random.RandomState(known.noise_seed)
        total = float(sum(case.examples))

        def new(name: str) -> NDArray[Any]:
            noise = draw.normal(0, spread, case.before[name].shape)
            if not clip:
                return np.asarray(case.mean(name) + noise)
            parts = zip(case.examples, scales, case.updates, strict=True)
            moved = sum(
                np.float32(n / total * scale) * (update[name] - case.before[name])
                for n, scale, update in parts
            )
            return np.asarray(case.before[name] + moved + noise)

        return by_tensor(case, new), {}

    return rule


def scaffold(case: Case, known: Known) -> tuple[float, Kept]:
    """SCAFFOLD: x' = x + eta_g mean(y_i - x); c' = c + |S|/N mean(c_i' - c_i).

    Source: https://arxiv.org/abs/1910.06378
    """
    ones = [1.0] * len(case.updates)
    eta, share = float(known.params["server_learning_rate"]), len(ones) / known.supernodes
    kept: Kept = {}

    def new(name: str) -> NDArray[Any]:
        before = case.before[name]
        control = known.kept.get(f"control/{name}", np.zeros_like(before))
        mean = case.mean(f"control-delta/{name}", ones)
        kept[f"control/{name}"] = np.asarray(control + share * mean, np.float32)
        return np.asarray(before + eta * (case.mean(name, ones) - before))

    return by_tensor(case, new), kept


def squared(parts: Iterable[NDArray[Any]]) -> float:
    """Return the sum of the squares of all values."""
    return sum(float(np.dot(part.reshape(-1), part.reshape(-1))) for part in parts)


def without_state(rule: FactorRule) -> Rule:
    """Return a rule that keeps nothing between rounds."""
    return lambda case, known: (rule(case, known.params), {})


_MEANS = ("fedavg", "fedprox", "ffa-lora", "rolora", "fedsa-lora")

RULES: dict[str, Rule] = {
    **{f"standard/{name}": fedavg for name in _MEANS},
    "standard/fedavgm": fedavgm,
    "standard/fedadam": fedopt(adam),
    "standard/fedyogi": fedopt(yogi),
    "standard/fedadagrad": fedopt(adagrad),
    "standard/qfedavg": qfedavg,
    "standard/fedmedian": trimmed(lambda known, clients: (clients - 1) // 2),
    "standard/fedtrimmedavg": trimmed(
        lambda known, clients: int(float(known.params["beta"]) * clients)
    ),
    "standard/krum": lambda case, known: (krum(case, known.params, 1), {}),
    "standard/multikrum": lambda case, known: (
        krum(case, known.params, int(known.params["num_nodes_to_select"])),
        {},
    ),
    "standard/dp-server-side": private(clip=True),
    "standard/dp-client-side": private(clip=False),
    "standard/scaffold": scaffold,
    "standard/flora": lambda case, known: (flora(case), {}),
    "standard/flexlora": lambda case, known: (flexlora(case), {}),
    **{name: without_state(rule) for name, rule in FACTOR_RULES.items()},
}
"""Qualified name of a strategy -> its rule."""
