"""Measures of answers that are classes, in plain Python so that no numeric package is needed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from operator import eq

from harness.document.float_sums import sum_in_order


def class_measures(targets: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """Return macro-F1 and Matthews' correlation of answers of equal number > 0."""
    return {"macro_f1": macro_f1(targets, answers), "mcc": matthews(targets, answers)}


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the plain mean of the F1 of every label that occurs in either list.

    Source: scikit-learn `f1_score(average="macro", zero_division=0)`.
    """
    labels = sorted(set(gold) | set(predicted))  # a set has an order of its own in each process
    pairs = Counter(zip(gold, predicted, strict=True))
    hits = {label: pairs[label, label] for label in labels}
    sizes = Counter(gold) + Counter(predicted)
    return sum_in_order(2 * hits[label] / sizes[label] for label in labels) / len(labels)


def matthews(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the Matthews correlation of two label lists; 0 when either holds one label only.

    Source: scikit-learn `matthews_corrcoef`, the multi-class R_k of Gorodkin (2004).
    """
    examples = len(gold)
    correct: int = sum(map(eq, gold, predicted))
    in_gold, in_predicted = Counter(gold), Counter(predicted)
    both = sum(in_gold[label] * in_predicted[label] for label in in_gold)
    spread_gold = examples**2 - sum(n * n for n in in_gold.values())
    spread_predicted = examples**2 - sum(n * n for n in in_predicted.values())
    if not spread_gold or not spread_predicted:
        return 0.0
    return (correct * examples - both) / math.sqrt(spread_gold * spread_predicted)
