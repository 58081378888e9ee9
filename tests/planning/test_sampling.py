"""The sampled partitions are what Flower draws from nodes in partition order."""

from __future__ import annotations

import random

from harness.planning.sampling import draw_seed, sampled_partitions


def test_draw_equals_the_global_generator_over_node_ids() -> None:
    """Flower samples node ids with the global generator; only positions decide the draw."""
    node_ids = [10**18 + 7 * partition for partition in range(50)]
    for round_number in (1, 2, 77):
        random.seed(draw_seed(1234, "sampling", round_number))
        drawn = random.sample(node_ids, 5)
        expected = tuple(sorted(node_ids.index(node) for node in drawn))
        assert sampled_partitions(1234, round_number, 50, 5) == expected


def test_rounds_and_seeds_draw_differently() -> None:
    """A round's partitions follow from seed and round, not from one shared stream."""
    draws = {sampled_partitions(seed, number, 50, 5) for seed in (1, 2) for number in (1, 2, 3)}
    assert len(draws) == 6
