"""Which examples a client sees in a round, and in which order."""

from __future__ import annotations

import numpy as np

from harness.spec import RunSpec, derived_seed


def example_order(spec: RunSpec, partition: int, round_number: int, rows: int) -> list[int]:
    """Return the rows of the round's steps, first to last.

    A seeded permutation of the partition; when the round needs more examples than there are, a
    further permutation follows. `fixed` gives every round the same rows, as the template does.

    Args:
        spec: seed, data order, and how many examples the round needs.
        partition: whose rows.
        round_number: from 1; only `per-round` depends on it.
        rows: rows of the partition.

    Returns:
        `max_steps * gradient_accumulation_steps * batch_size` indices in [0, rows).
    """
    train = spec.train
    needed = train.max_steps * train.gradient_accumulation_steps * train.batch_size
    rounds = () if train.data_order == "fixed" else (round_number,)
    random = np.random.Generator(
        np.random.PCG64(derived_seed(spec.seed, "order", partition, *rounds))
    )
    order: list[int] = []
    while len(order) < needed:
        order.extend(random.permutation(rows).tolist())
    return order[:needed]
