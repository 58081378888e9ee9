"""The generators that Flower's strategies draw from, seeded for one purpose of one round."""

from __future__ import annotations

import random

import numpy as np

from harness.planning.sampling import Purpose, draw_seed


def seed_draws(seed: int, purpose: Purpose, round: int) -> None:
    """Seed `random` and numpy's global generator, which takes 32 bits.

    Args:
        seed: the run's seed.
        purpose: what the strategy is about to draw for.
        round: from 1.
    """
    value = draw_seed(seed, purpose, round)
    random.seed(value)
    np.random.seed(value % 2**32)
