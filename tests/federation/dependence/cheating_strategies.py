"""Strategies that do not make their aggregate of their clients' replies, and honest ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message
from flwr.serverapp.strategy import Bulyan, FedAvg

from harness.components import StrategyContext, StrategyMethod
from harness.document import Document


class NoParams(Document):
    """No parameters."""


def sampling(context: StrategyContext) -> dict[str, Any]:
    """Return how Flower's strategies sample as the context says."""
    return {
        "fraction_train": context.fraction,
        "fraction_evaluate": 0.0,
        "min_train_nodes": context.clients_per_round,
        "min_available_nodes": context.num_supernodes,
    }


Combine = Callable[[FedAvg, Sequence[dict[str, np.ndarray]]], dict[str, np.ndarray]]


def strategy(name: str, combine: Combine) -> StrategyMethod:
    """Return a strategy that combines by a function of (strategy, replies)."""

    class Combining(FedAvg):  # type: ignore[misc]
        def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
            contents = [reply.content for reply in replies]
            updates = [
                {n: a.numpy() for n, a in next(iter(c.array_records.values())).items()}
                for c in contents
            ]
            made = combine(self, updates)
            return ArrayRecord(
                {n: Array(np.asarray(v, np.float32)) for n, v in made.items()}
            ), self.train_metrics_aggr_fn(contents, self.weighted_by_key)

    return StrategyMethod(
        name=name, params=NoParams, build=lambda params, context: Combining(**sampling(context))
    )


def mean(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The plain mean."""
    return {n: np.mean([u[n] for u in updates], axis=0) for n in updates[0]}


def stored(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """An adapter that lies in the plugin."""
    draw = np.random.default_rng(5)
    return {n: 0.1 * draw.standard_normal(v.shape) for n, v in updates[0].items()}


def remembered(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What the first round gave, for ever: of its own state."""
    if not hasattr(self, "first"):
        self.first = mean(self, updates)
    return self.first


def first_client(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One client's update, whatever the others return."""
    return updates[0]


def barely(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A stored adapter and a ten-millionth of the mean."""
    average = mean(self, updates)
    return {n: v + np.float32(1e-7) * average[n] for n, v in stored(self, updates).items()}


def mixed(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Half of it stored."""
    average = mean(self, updates)
    return {n: (v + average[n]) / 2 for n, v in stored(self, updates).items()}


def noisy(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean and noise that no seed decides."""
    draw = np.random.default_rng(int.from_bytes(os.urandom(8), "big"))
    return {n: v + 0.01 * draw.standard_normal(v.shape) for n, v in mean(self, updates).items()}


SEEN: list[dict[str, np.ndarray]] = []
"""Where a strategy keeps what it should keep in its attributes."""


def counting(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Half of what an earlier call gave: state beside the strategy's attributes."""
    average = mean(self, updates)
    made = {n: (v + SEEN[-1][n]) / 2 if SEEN else v for n, v in average.items()}
    SEEN.append(made)
    return made


def drawing(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean and noise of the generators that the harness seeds."""
    return {n: v + np.random.normal(0, 0.01, v.shape) for n, v in mean(self, updates).items()}


def signs(self: FedAvg, updates: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A step in the direction in which most clients went."""
    if not hasattr(self, "now"):
        self.now = {n: np.zeros_like(v) for n, v in updates[0].items()}
    self.now = {
        n: v + np.float32(0.01) * np.sign(sum(np.sign(u[n] - v) for u in updates))
        for n, v in self.now.items()
    }
    return self.now


BULYAN = StrategyMethod(
    name="bulyan",
    params=NoParams,
    build=lambda params, context: Bulyan(**sampling(context), num_malicious_nodes=0),
)
