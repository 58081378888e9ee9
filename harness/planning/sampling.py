"""The sampling of a round: which partitions train, as the seed prescribes.

The federation seeds Python's global generator with `draw_seed` before Flower's strategy draws its
nodes from a list in partition order; a checker draws the same numbers without Flower.
"""

from __future__ import annotations

import random
from typing import Literal

from harness.spec import derived_seed

Purpose = Literal["sampling", "aggregation"]
"""The two things that a strategy draws: the clients of a round, and noise while it aggregates."""


def draw_seed(seed: int, purpose: Purpose, round: int) -> int:
    """Return the seed of what a strategy draws in `round` (from 1) of a run with `seed`."""
    return derived_seed(seed, purpose, round)


def sampled_partitions(seed: int, round: int, num_supernodes: int, clients: int) -> tuple[int, ...]:
    """Return the partitions sampled in `round`, ascending.

    Args:
        seed: the run's seed, `RunSpec.seed`.
        round: number of the round, from 1.
        num_supernodes: partitions 0..num_supernodes-1 are drawn from.
        clients: how many are drawn, at most `num_supernodes`.

    Source: flwr 1.41 `strategy_utils.sample_nodes`, one `random.sample(nodes, k)` per round.
    """
    # A sample is in drawn order, which Flower sends messages in and which no number depends on.
    generator = random.Random(draw_seed(seed, "sampling", round))
    return tuple(sorted(generator.sample(range(num_supernodes), clients)))
