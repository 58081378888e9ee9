"""The frame of our strategies: named float32 arrays in, named float32 arrays out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from harness.components import RoundPlan

Arrays = dict[str, Any]
"""Tensor name -> float32 array."""


class ByName(FedAvg):  # type: ignore[misc]
    """Samples as Flower's FedAvg, sends what the plan says, combines by tensor name.

    Between rounds the strategy holds the whole adapter, whatever part of it travels.
    """

    def __init__(self, plan: Callable[[int], RoundPlan], sampling: Mapping[str, Any]) -> None:
        """Keep the plan (round from 1 -> what moves) and FedAvg's sampling arguments."""
        super().__init__(**sampling)
        self.plan = plan
        self.adapter: Arrays = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send the declared part of the adapter and of the strategy's own arrays."""
        self.adapter = {name: np.array(array.numpy()) for name, array in arrays.items()}
        holds = self.adapter | self.own_arrays()
        sent = {name: Array(holds[name]) for name in self.plan(server_round).down}
        messages: Iterable[Message]
        messages = super().configure_train(server_round, ArrayRecord(sent), config, grid)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Combine the clients' arrays and return the whole adapter."""
        contents = [reply.content for reply in replies]
        updates: list[Arrays] = []
        weights: list[float] = []
        for content in contents:
            [record] = content.array_records.values()
            [metrics] = content.metric_records.values()
            updates.append({name: array.numpy() for name, array in record.items()})
            weights.append(float(metrics[self.weighted_by_key]))
        new = self.adapter | self.combine(server_round, updates, weights)
        arrays = ArrayRecord(
            {name: Array(np.asarray(new[name], dtype=np.float32)) for name in self.adapter}
        )
        return arrays, self.train_metrics_aggr_fn(contents, self.weighted_by_key)

    def own_arrays(self) -> Arrays:
        """Return the arrays beside the adapter that the plan may send."""
        return {}

    @abstractmethod
    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Return the new values of the adapter tensors that this round changes.

        Args:
            round: from 1.
            updates: what each client returned, in partition order.
            weights: examples of each client.
        """
