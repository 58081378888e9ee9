"""What a client starts from and what it hands back, when a strategy moves more or less than all.

Three sets of arrays meet in a round: the *adapter* (what peft made), what *travels* of it (frozen
tensors, such as the A of FFA-LoRA, stay where they are), and the strategy's *own* (a control
variate, a history), which no adapter has. A plan may send, train, return and keep any of them.
"""

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
        initial: the seeded adapter, float32; its names and shapes are the adapter's.
        travelling: names of the adapter's tensors that a message carries without a plan.
        sent: the arrays of the message, float32.
        kept: the arrays that this client kept from its last round; empty in its first.
        plan: what the round moves; None: all that travels, nothing else.

    Returns:
        Every tensor of the adapter, then the strategy's own arrays, by name.

    Raises:
        FederationError: another set of names was sent, or another shape, than the round moves.
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
    """Return everything that a client holds after it trained, the strategy's last work included.

    Args:
        held: what the client started from.
        objective: the strategy's client part, or None.
        done: the training that it did.
    """
    extra = objective.finish(done) if objective is not None and objective.finish else {}
    return {**held, **done.trained, **extra}


def pick(held: Arrays, names: Mapping[str, Any], purpose: str) -> Arrays:
    """Return the named arrays in the order of `names`.

    Args:
        held: arrays by name.
        names: the wanted names, in order; the values do not matter.
        purpose: "return" or "keep", for the message.

    Raises:
        FederationError: an array is not there; the plan names what the client part does not make.
    """
    lack = [name for name in names if name not in held]
    if lack:
        raise FederationError(f"no array {lack[0]!r} to {purpose}; the plan names it")
    return {name: held[name] for name in names}
