"""The learning rate over the rounds: a formula that whoever checks a record can recompute."""

from __future__ import annotations

import math

from harness.recipe import TrainSpec


def learning_rate(train: TrainSpec, round_number: int) -> float:
    """Return the learning rate of a round; its steps multiply it by `step_factor`.

    cosine: min + (max - min) / 2 * (1 + cos(pi * t / T)), t = 1..T; linear: min + (max - min) *
    (1 - t / T); constant: max.

    Args:
        train: schedule, maximum, minimum and number of rounds T.
        round_number: t, from 1.

    Source: FlowerTune templates, `cosine_annealing` in models.py.
    """
    if train.round_schedule == "constant":
        return train.learning_rate_max
    span = train.learning_rate_max - train.learning_rate_min
    if train.round_schedule == "linear":
        return train.learning_rate_min + span * (1 - round_number / train.rounds)
    return train.learning_rate_min + span / 2 * (
        1 + math.cos(math.pi * round_number / train.rounds)
    )


def step_factor(train: TrainSpec, step: int) -> float:
    """Return what the round's learning rate is multiplied by in one of its steps.

    Args:
        train: step schedule, warm-up and number of steps K.
        step: k, from 0 to K - 1.

    Returns:
        A number in (0, 1]; exactly 1 without a step schedule and a warm-up.
    """
    part = step / train.max_steps
    decay = {
        "constant": 1.0,
        "linear": 1 - part,
        "cosine": (1 + math.cos(math.pi * part)) / 2,
    }[train.step_schedule]
    return decay * min(1.0, (step + 1) / (train.warmup_steps + 1))
