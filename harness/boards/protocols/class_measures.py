"""Measures of answers that are classes, in plain Python so that no numeric package is needed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from harness.document.float_sums import sum_in_order


def class_measures(pairs: Mapping[tuple[str, str], int]) -> dict[str, float]:
    """Return macro-F1 and Matthews' correlation of (right answer, answer) -> rows of it."""
    return {"macro_f1": _macro_f1(pairs), "mcc": _matthews(pairs)}


def _sizes(pairs: Mapping[tuple[str, str], int]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each label is right, and how often it is the answer."""
    gold: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    for (target, answer), count in pairs.items():
        gold[target] += count
        predicted[answer] += count
    return gold, predicted


def _macro_f1(pairs: Mapping[tuple[str, str], int]) -> float:
    """Return the plain mean of the F1 of every label that occurs on either side.

    Source: scikit-learn `f1_score(average="macro", zero_division=0)`.
    """
    gold, predicted = _sizes(pairs)
    sizes = gold + predicted
    labels = sorted(sizes)  # a set has an order of its own in each process
    f1 = (2 * pairs.get((label, label), 0) / sizes[label] for label in labels)
    return sum_in_order(f1) / len(labels)


def _matthews(pairs: Mapping[tuple[str, str], int]) -> float:
    """Return Matthews' correlation; 0 when either side holds one label only.

    Source: scikit-learn `matthews_corrcoef`, the multi-class R_k of Gorodkin (2004).
    """
    gold, predicted = _sizes(pairs)
    examples = gold.total()
    correct = sum(count for (target, answer), count in pairs.items() if target == answer)
    both = sum(gold[label] * predicted[label] for label in gold)
    spread_gold = examples**2 - sum(n * n for n in gold.values())
    spread_predicted = examples**2 - sum(n * n for n in predicted.values())
    if not spread_gold or not spread_predicted:
        return 0.0
    return (correct * examples - both) / math.sqrt(spread_gold * spread_predicted)
