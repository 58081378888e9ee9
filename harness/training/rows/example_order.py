"""The order of examples: which ones a client sees in a round, first to last."""

from __future__ import annotations

import numpy as np

from harness.spec import RunSpec, derived_seed


def example_order(spec: RunSpec, partition: int, round_number: int, rows: int) -> list[int]:
    """Return the rows of the round's steps, first to last.

    A seeded permutation of the partition; when the round needs more examples than there are, a
    further permutation follows, so none is seen a third time before all were seen twice. `fixed`
    gives every round the same rows, as the template does: a client that trains 10 steps of 16 sees
    the same 160 of its 1,535 rows in each of its rounds.

    Args:
        spec: seed, data order, and how many examples the round needs.
        partition: number of the client's partition, from 0.
        round_number: from 1; only `per-round` depends on it.
        rows: how many rows the partition has, at least 1.

    Returns:
        `max_steps * gradient_accumulation_steps * batch_size` indices in [0, rows).
    """
    train = spec.train
    needed = train.max_steps * train.gradient_accumulation_steps * train.batch_size
    # Without a round in its parts the seed is the same in all of them.
    rounds = () if train.data_order == "fixed" else (round_number,)
    random = np.random.Generator(
        np.random.PCG64(derived_seed(spec.seed, "order", partition, *rounds))
    )
    order: list[int] = []
    while len(order) < needed:
        order.extend(random.permutation(rows).tolist())
    return order[:needed]
