"""The learning rate over the rounds: a formula that whoever checks a record can recompute."""

from __future__ import annotations

import math

from harness.recipe import TrainSpec


def learning_rate(train: TrainSpec, round_number: int) -> float:
    """Return the learning rate of a round; it is constant within the round.

    cosine: min + (max - min) / 2 * (1 + cos(pi * t / T)), t = 1..T; constant: max.

    Args:
        train: schedule, maximum, minimum and number of rounds T.
        round_number: t, from 1.

    Source: FlowerTune templates, `cosine_annealing` in models.py.
    """
    if train.round_schedule == "constant":
        return train.learning_rate_max
    span = train.learning_rate_max - train.learning_rate_min
    return train.learning_rate_min + span / 2 * (
        1 + math.cos(math.pi * round_number / train.rounds)
    )
