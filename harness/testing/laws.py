"""What every aggregation keeps, unless its `StrategyMethod.broken_laws` says why not.

permutation   the order of the replies does not matter
repetition    the same replies give the same bytes
state         a strategy restored from a checkpoint goes on as it would have
fixed-point   clients that return what they received change nothing
identity      clients that all return one update make it the new adapter; one client does, too
examples      a client of twice the examples counts as two clients
gauge         a client's (B, A) and (B G, G^-1 A) are one update, and give one aggregate; asked of
              strategies that average products
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.components import StrategyContext, StrategyMethod
from harness.document import Document
from harness.document.units import how_many
from harness.federation.rehearsal.clients import MOVE, Arrays, drift
from harness.federation.rehearsal.small_federation import SmallFederation, reverse
from harness.spec import derived_seed

LAW_TOLERANCE = 1e-4
"""Largest relative difference (L2) that float32 sums in another order may show."""
TRIAL_ROUNDS = 4
"""An even number of rounds twice over: alternating strategies show both of their faces."""

A_SUFFIX = ".lora_A.weight"
GAUGE_CONDITION = 100.0
"""Condition number of G at which the law is tried."""
GAUGE_TOLERANCE = 1e-3
"""What float32 factors lose at that condition, and a hundred times more."""

Law = Callable[[StrategyMethod, Document, StrategyContext], str | None]
"""Returns how the law is broken, or None."""


def permutation(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """Replies in the opposite order give the same aggregate."""
    one = SmallFederation(method, params, context, drift(MOVE)).rounds(TRIAL_ROUNDS)
    other = SmallFederation(method, params, context, drift(MOVE), reply_order=reverse).rounds(
        TRIAL_ROUNDS
    )
    return _apart(method, one, other, "replies in another order give another adapter")


def repetition(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """The same run twice gives the same bytes."""
    one = SmallFederation(method, params, context, drift(MOVE)).rounds(TRIAL_ROUNDS)
    other = SmallFederation(method, params, context, drift(MOVE)).rounds(TRIAL_ROUNDS)
    same = all(np.array_equal(one[name], other[name]) for name in one)
    return None if same else "a second run gives another adapter; draw from the seeded generators"


def restored_state(
    method: StrategyMethod, params: Document, context: StrategyContext
) -> str | None:
    """A strategy restored from its captured state goes on as it would have."""
    one = SmallFederation(method, params, context, drift(MOVE)).rounds(TRIAL_ROUNDS)
    other = SmallFederation(method, params, context, drift(MOVE)).resumed(TRIAL_ROUNDS, after=2)
    same = all(np.array_equal(one[name], other[name]) for name in one)
    return None if same else "it goes on otherwise after a checkpoint; keep its state in attributes"


def fixed_point(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """Clients that return what they received change nothing."""
    federation = SmallFederation(method, params, context, lambda adapter, round, partition: adapter)
    return _apart(
        method,
        federation.rounds(TRIAL_ROUNDS),
        federation.initial,
        "unchanged replies change the adapter",
    )


def identity(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """Clients that agree, and a client alone, make their update the new adapter."""
    for clients in (context.clients_per_round, 1):
        few = replace(context, clients_per_round=clients, rounds=1, fraction=1e-9)
        federation = SmallFederation(method, params, few, _agreeing)
        expected = _agreeing(dict(federation.initial), 1, 0)
        moved = method.plan_of(params, few, 1).train
        want = {n: expected[n] if n in moved else v for n, v in federation.initial.items()}
        what = f"the update that {how_many(clients, 'client')} made alike is not kept"
        problem = _apart(method, federation.rounds(1), want, what)
        if problem:
            return problem
    return None


def examples(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """Clients 0 and 1 of 1 and 3 examples count as one client of the first, three of the second."""

    def of_two(adapter: Arrays, round: int, partition: int) -> Arrays:
        return drift(MOVE)(adapter, round, min(partition, 1))

    pair = replace(context, num_supernodes=2, clients_per_round=2, fraction=1.0, rounds=1)
    four = replace(context, num_supernodes=4, clients_per_round=4, fraction=1.0, rounds=1)
    one = SmallFederation(method, params, pair, of_two, examples={0: 1, 1: 3}).rounds(1)
    other = SmallFederation(
        method, params, four, of_two, examples=dict.fromkeys(range(4), 1)
    ).rounds(1)
    return _apart(method, one, other, "a client of three times the examples does not count thrice")


def gauge(method: StrategyMethod, params: Document, context: StrategyContext) -> str | None:
    """A client's product B A counts, however it is split into its factors."""
    if method.averages != "product":
        return None
    found = gauge_number(method, params, context, GAUGE_CONDITION)
    if found is None or found <= GAUGE_TOLERANCE:
        return None
    return f"(B G, G^-1 A) in place of a client's (B, A) moves the mean product by {found:.1e}"


def gauge_number(
    method: StrategyMethod, params: Document, context: StrategyContext, condition: float
) -> float | None:
    """Return how far the aggregated product goes when one client's factors are split otherwise.

    |B' A' - B A| / |B A| over all layers, after one round in which the first client returns
    (B G, G^-1 A), which is the same update. None where clients do not return both factors.

    Args:
        method: the strategy.
        params: its parameters.
        context: a small run.
        condition: of G, the ratio of its largest to its smallest singular value, from 1; they are
            spread evenly around 1 on a logarithmic scale.
    """
    one_round = replace(context, rounds=max(2, context.rounds))
    plan = method.plan_of(params, one_round, 1)
    names = [name for name in context.shapes if name.endswith(A_SUFFIX) and name in plan.up]
    if not names or any(name.replace(".lora_A.", ".lora_B.") not in plan.up for name in names):
        return None
    draw = np.random.default_rng(derived_seed(context.seed, "gauge"))
    gauges = {name: _gauge_of(draw, context.shapes[name][0], condition) for name in names}
    first: list[int] = []

    def split(adapter: Arrays, round: int, partition: int) -> Arrays:
        moved = drift(MOVE)(adapter, round, partition)
        first.append(partition)
        if partition == first[0]:
            for name, (matrix, inverse) in gauges.items():
                other = name.replace(".lora_A.", ".lora_B.")
                moved[name] = (inverse @ moved[name]).astype(np.float32)
                moved[other] = (moved[other] @ matrix).astype(np.float32)
        return moved

    one = _products(SmallFederation(method, params, one_round, drift(MOVE)).rounds(1))
    other = _products(SmallFederation(method, params, one_round, split).rounds(1))
    whole = sum(float(np.sum(value**2)) for value in one.values())
    apart = sum(float(np.sum((one[name] - other[name]) ** 2)) for name in one)
    return float((apart / whole) ** 0.5)


def _gauge_of(draw: np.random.Generator, rank: int, condition: float) -> tuple[Any, Any]:
    """Return a random matrix (rank, rank) of this condition number, and its inverse."""
    left, right = (np.linalg.qr(draw.standard_normal((rank, rank)))[0] for _ in range(2))
    sizes = condition ** np.linspace(0.5, -0.5, rank) if rank > 1 else np.ones(1)
    return (left * sizes) @ right, (right.T / sizes) @ left.T


LAWS: Mapping[str, Law] = {
    "permutation": permutation,
    "repetition": repetition,
    "state": restored_state,
    "fixed-point": fixed_point,
    "identity": identity,
    "examples": examples,
    "gauge": gauge,
}
BREAKABLE = ("fixed-point", "identity", "examples", "gauge")
"""Laws that a strategy may break for a reason; the others hold for all."""


def _agreeing(adapter: Arrays, round: int, partition: int) -> Arrays:
    return drift(MOVE)(adapter, round, 0)


def _apart(method: StrategyMethod, found: Arrays, expected: Arrays, complaint: str) -> str | None:
    view = _products if method.averages == "product" else dict
    one: Mapping[str, Any] = view(found)
    other: Mapping[str, Any] = view(expected)
    for name in other:
        size = float(np.linalg.norm(other[name]))
        apart = float(np.linalg.norm(one[name] - other[name]))
        if not apart <= LAW_TOLERANCE * max(size, 1e-12):
            return f"{complaint}: {name} is off by {apart / max(size, 1e-12):.1e} of its size"
    return None


def _products(arrays: Arrays) -> Arrays:
    """B A of every layer, where A and B go by peft's names."""
    return {
        name: arrays[name.replace(".lora_A.", ".lora_B.")].astype(np.float64) @ a
        for name, a in arrays.items()
        if name.endswith(A_SUFFIX)
    }
