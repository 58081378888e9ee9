"""What an accuracy is worth, in plain Python so that re-scoring needs no numeric package."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 0.95


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
    low = _binomial_quantile(tail, examples, correct / examples)
    high = _binomial_quantile(1 - tail, examples, correct / examples)
    return low / examples, high / examples


def _binomial_quantile(level: float, trials: int, chance: float) -> int:
    if chance in (0.0, 1.0):
        return round(trials * chance)
    log_chance, log_rest = math.log(chance), math.log1p(-chance)
    total = 0.0
    for count in range(trials + 1):
        ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
        total += math.exp(ways + count * log_chance + (trials - count) * log_rest)
        if total >= level:
            return count
    return trials
