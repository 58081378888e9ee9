"""What a client starts from and what it hands back, when a strategy moves more or less than all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from harness.components import LocalObjective, LocalRound, RoundPlan
from harness.errors import FederationError
from harness.training.adapter import Arrays


def start_values(
    initial: Arrays,
    travelling: Collection[str],
    sent: Mapping[str, Any],
    kept: Mapping[str, Any],
    plan: RoundPlan | None,
) -> Arrays:
    """Return what a client holds before it trains: the adapter, then the strategy's own arrays.

    A tensor comes from what was sent, else from what the client kept, else from the seeded initial
    adapter; the strategy's own start at zero.

    Args:
        initial: the seeded adapter; its names and shapes are the adapter's.
        travelling: the tensors of the adapter that a message carries.
        sent: arrays of the message.
        kept: arrays that this client kept.
        plan: what the round moves; None: all that travels, nothing else.

    Raises:
        FederationError: another set of names, or another shape, than the round moves.
    """
    down = {name: initial[name].shape for name in travelling} if plan is None else plan.down
    keep = {} if plan is None else plan.keep
    if set(sent) != set(down):
        odd = sorted(set(sent) ^ set(down))
        raise FederationError(
            f"received {len(sent)} tensors, expected {len(down)}; first difference {odd[0]!r}"
        )
    shapes = {name: values.shape for name, values in initial.items()}
    held: Arrays = {}
    for name, shape in {**shapes, **down, **keep}.items():
        values = sent.get(name, kept.get(name))
        if values is None:
            values = initial[name] if name in initial else np.zeros(shape, np.float32)
        if tuple(values.shape) != tuple(shape):
            raise FederationError(
                f"received {name} of shape {tuple(values.shape)}, expected {tuple(shape)}"
            )
        held[name] = values
    return held


def finished_values(held: Arrays, objective: LocalObjective | None, done: LocalRound) -> Arrays:
    """Return everything that a client holds after it trained, the strategy's last work included."""
    extra = objective.finish(done) if objective is not None and objective.finish else {}
    return {**held, **done.trained, **extra}


def pick(held: Arrays, names: Mapping[str, Any], purpose: str) -> Arrays:
    """Return the named arrays in the order of `names`.

    Raises:
        FederationError: one is not there; the strategy promised what its client part does not make.
    """
    lack = [name for name in names if name not in held]
    if lack:
        raise FederationError(f"no array {lack[0]!r} to {purpose}; the plan names it")
    return {name: held[name] for name in names}
