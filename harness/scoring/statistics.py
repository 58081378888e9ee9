"""Numbers about labels, in plain Python so that re-scoring needs no numeric package."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """What one list of labels is worth; fractions in [0, 1], `mcc` in [-1, 1]."""

    examples: int
    correct: int
    accuracy: float
    stderr: float
    interval: tuple[float, float]
    macro_f1: float
    mcc: float


def summarize(gold: Sequence[str], predicted: Sequence[str]) -> Summary:
    """Return every statistic of `predicted` against `gold`, which have equal length > 0."""
    correct = sum(a == b for a, b in zip(gold, predicted, strict=True))
    examples = len(gold)
    return Summary(
        examples=examples,
        correct=correct,
        accuracy=correct / examples,
        stderr=standard_error(correct, examples),
        interval=bootstrap_interval(correct, examples),
        macro_f1=macro_f1(gold, predicted),
        mcc=matthews(gold, predicted),
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


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the plain mean of the F1 of every label that occurs in either list.

    Source: scikit-learn `f1_score(average="macro", zero_division=0)`.
    """
    labels = set(gold) | set(predicted)
    hits = Counter(a for a, b in zip(gold, predicted, strict=True) if a == b)
    sizes = Counter(gold) + Counter(predicted)
    return sum(2 * hits[label] / sizes[label] for label in labels) / len(labels)


def matthews(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the Matthews correlation of two label lists; 0 when either holds one label only.

    Source: scikit-learn `matthews_corrcoef`, the multi-class R_k of Gorodkin (2004).
    """
    examples = len(gold)
    correct = sum(a == b for a, b in zip(gold, predicted, strict=True))
    in_gold, in_predicted = Counter(gold), Counter(predicted)
    both = sum(in_gold[label] * in_predicted[label] for label in in_gold)
    spread_gold = examples**2 - sum(n * n for n in in_gold.values())
    spread_predicted = examples**2 - sum(n * n for n in in_predicted.values())
    if not spread_gold or not spread_predicted:
        return 0.0
    return (correct * examples - both) / math.sqrt(spread_gold * spread_predicted)


def references(gold: Sequence[str], default: str, majority: str) -> dict[str, float]:
    """Return what answers without a model would score on these rows.

    Args:
        gold: right labels.
        default: label of an empty answer.
        majority: the label that is most frequent in the training data.

    Returns:
        `empty_answer`; `best_constant`, the best single label with hindsight; `majority`.
    """
    count = Counter(gold)
    return {
        "empty_answer": count[default] / len(gold),
        "best_constant": max(count.values()) / len(gold),
        "majority": count[majority] / len(gold),
    }
