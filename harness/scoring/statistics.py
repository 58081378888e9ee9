"""What an accuracy is worth, in plain Python so that re-scoring needs no numeric package."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95
DEVIATIONS = 14
"""Standard deviations below the mean from which on a distribution is summed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """An accuracy and what it is worth; fractions in [0, 1]."""

    examples: int
    correct: int
    accuracy: float
    stderr: float
    interval: tuple[float, float]


def summarize(correct: int, examples: int) -> Summary:
    """Return the statistics of `correct` right answers among `examples` > 0."""
    return Summary(
        examples=examples,
        correct=correct,
        accuracy=correct / examples,
        stderr=standard_error(correct, examples),
        interval=bootstrap_interval(correct, examples),
    )


def standard_error(correct: int, examples: int) -> float:
    """Return the standard error of an accuracy; 0 for a single row.

    Source: lm-eval `mean_stderr`: sample deviation (n - 1) over the square root of n.
    """
    if examples < 2:
        return 0.0
    share = correct / examples
    return math.sqrt(share * (1 - share) / (examples - 1))


def bootstrap_interval(correct: int, examples: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of an accuracy under a bootstrap over rows.

    Drawing n rows with replacement, of which k are right, makes the number of right ones
    Binomial(n, k/n). Its quantiles are what infinitely many resamples would give, without a seed.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = _binomial_quantiles((tail, 1 - tail), examples, correct / examples)
    return low / examples, high / examples


def _binomial_quantiles(levels: tuple[float, float], trials: int, chance: float) -> list[int]:
    """Return the least counts at which the distribution reaches two levels, the lower one first."""
    if chance in (0.0, 1.0):
        return [round(trials * chance)] * len(levels)
    log_chance, log_rest = math.log(chance), math.log1p(-chance)
    found: list[int] = []
    total = 0.0
    # What lies this far below the mean is less than 1e-40 in all, which changes no later sum.
    mean, deviation = trials * chance, math.sqrt(trials * chance * (1 - chance))
    first = max(0, int(mean - DEVIATIONS * deviation))
    for count, ways in enumerate(_log_ways(trials)[first:], first):
        total += math.exp(ways + count * log_chance + (trials - count) * log_rest)
        while total >= levels[len(found)]:
            found.append(count)
            if len(found) == len(levels):
                return found
    return [*found, *[trials] * (len(levels) - len(found))]


@lru_cache(maxsize=16)
def _log_ways(trials: int) -> tuple[float, ...]:
    """Return the logarithm of the number of ways to choose 0, 1, ... `trials` of them."""
    log_factorials = [math.lgamma(count + 1) for count in range(trials + 1)]
    whole = log_factorials[-1]
    return tuple(
        whole - chosen - left
        for chosen, left in zip(log_factorials, reversed(log_factorials), strict=True)
    )
