"""HetLoRA's server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from harness_standard.aggregation.by_name import Arrays, ByName
from harness_standard.factors import A_SUFFIX, pairs

from harness.components import RoundPlan


class HetLora(ByName):
    """Cuts what goes down to each client's rank, and weighs what comes up by its length."""

    def __init__(
        self,
        plan: Callable[[int], RoundPlan],
        sampling: Mapping[str, Any],
        ranks: tuple[int, ...],
    ) -> None:
        """Keep the ranks of partitions 0, 1, ... over and over."""
        super().__init__(plan, sampling)
        self.ranks = ranks

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send each client the ranks that it trains; nodes come in the order of partitions."""
        messages = list(super().configure_train(server_round, arrays, config, grid))
        place = {node: index for index, node in enumerate(grid.get_node_ids())}
        cut: dict[int, ArrayRecord] = {}
        for message in messages:
            rank = self.ranks[place[message.metadata.dst_node_id] % len(self.ranks)]
            if rank not in cut:
                cut[rank] = self._cut_to(rank)
            content = RecordDict(dict(message.content.items()))
            content[self.arrayrecord_key] = cut[rank]
            message.content = content
        return messages

    def _cut_to(self, rank: int) -> ArrayRecord:
        sent = {}
        for name, values in self.adapter.items():
            kept = np.array(values)
            if name.endswith(A_SUFFIX):
                kept[rank:] = 0
            else:
                kept[:, rank:] = 0
            sent[name] = Array(kept)
        return ArrayRecord(sent)

    def combine(self, round: int, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average the factors, weighted layer by layer."""
        new: Arrays = {}
        for a, b in pairs(tuple(self.adapter)):
            lengths = np.array([product_length(u[b], u[a]) for u in updates])
            # Before anything was trained every product is zero: all clients alike.
            total = float(lengths.sum())
            parts = lengths / total if total > 0 else np.full(len(updates), 1 / len(updates))
            for name in (a, b):
                values = zip(parts, (np.asarray(u[name], np.float64) for u in updates), strict=True)
                new[name] = np.asarray(sum(p * v for p, v in values), dtype=np.float32)
        return new


def product_length(up: Any, down: Any) -> float:
    """Return ||B A|| (Frobenius), from the two small Gram matrices."""
    left, right = np.asarray(up, np.float64), np.asarray(down, np.float64)
    return float(np.sqrt(max(0.0, float(np.sum((left.T @ left) * (right @ right.T))))))
