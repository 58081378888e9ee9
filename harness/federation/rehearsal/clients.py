"""The clients of a small federation: they answer as the harness's do, and train by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from harness.components import LocalObjective, LocalRound, RoundPlan, StrategyContext
from harness.errors import PluginError
from harness.federation.wire.names import (
    ARRAYS_RECORD,
    CONFIG_RECORD,
    EXAMPLES,
    LEARNING_RATE,
    LOSS,
    METRICS_RECORD,
)
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import difference, to_record, to_tensors
from harness.plugins.places import at
from harness.spec import derived_seed

Arrays = dict[str, Any]
"""Tensor name -> float32 array."""

Trained = Callable[[Arrays, int, int], Arrays]
"""(what a client holds, round, partition) -> the adapter as trained. A client holds the adapter and
the strategy's own arrays; what it returns beside the adapter is not looked at."""

MOVE = 0.05
"""Size of a client's random move, beside tensors of size 0.1."""
RATE = 1e-3
STEPS = 4


@dataclass
class Clients:
    """All clients of a small federation, each with what it keeps from round to round."""

    initial: Arrays
    """The adapter as it starts."""
    objective: LocalObjective | None
    """The strategy's client part."""
    train: Trained
    examples: Mapping[int, int]
    """Partition -> its examples; 100 where missing."""
    kept: dict[int, Arrays] = field(default_factory=dict)

    def answer(
        self, message: Message, content: RecordDict, plan: RoundPlan, partition: int, round: int
    ) -> Message:
        """Return what one client replies to a train message.

        Args:
            message: the strategy's message.
            content: its records, checked.
            plan: what the round moves.
            partition: the client's partition, from 0.
            round: number of the round, from 1.

        Raises:
            PluginError: the strategy's client part makes other arrays than the plan promises.
        """
        received = to_tensors(records_in(content, ArrayRecord)[ARRAYS_RECORD])
        sent = {name: np.array(array) for name, array in received.items()}
        held = self._held(sent, plan, partition)
        adapter = {name: held[name] for name in self.initial}
        moved = self.train(dict(held), round, partition)
        trained = {n: moved[n] if n in plan.train else adapter[n] for n in adapter}
        result = {**held, **trained}
        if self.objective is not None and self.objective.finish is not None:
            config = dict(records_in(content, ConfigRecord).get(CONFIG_RECORD, {}))
            result.update(self.objective.finish(LocalRound(held, trained, STEPS, RATE, config)))
        self.kept[partition] = {name: np.array(result[name]) for name in plan.keep}
        arrays = {name: np.asarray(result[name]) for name in plan.up if name in result}
        if problem := difference(arrays, plan.up):
            made = self.objective and self.objective.finish
            raise PluginError(
                f"reply of partition {partition} in round {round}: {problem}{at(made)}"
            )
        metrics = {
            EXAMPLES: self.examples.get(partition, 100),
            LOSS: 1.0 + 0.1 * partition,
            LEARNING_RATE: RATE,
        }
        records = RecordDict(
            {ARRAYS_RECORD: to_record(arrays), METRICS_RECORD: MetricRecord(metrics)}
        )
        return Message(records, reply_to=message)

    def _held(self, sent: Arrays, plan: RoundPlan, partition: int) -> Arrays:
        """What came, else what this client kept, else the start, which is zero for the rest."""
        before = self.kept.get(partition, {})
        names = {**{n: v.shape for n, v in self.initial.items()}, **plan.keep, **plan.down}
        held: Arrays = {}
        for name, shape in names.items():
            start = self.initial.get(name)
            zero = np.zeros(shape, np.float32) if start is None else start
            held[name] = sent.get(name, before.get(name, zero))
        return held


def seeded_adapter(context: StrategyContext) -> Arrays:
    """Return small random tensors of the context's shapes."""
    draw = np.random.default_rng(derived_seed(context.seed, "initial-adapter"))
    return {
        name: (0.1 * draw.standard_normal(shape)).astype(np.float32)
        for name, shape in context.shapes.items()
    }


def drift(scale: float, seed: int = 0) -> Trained:
    """Return clients that move every tensor at random, each its own way in each round."""

    def train(adapter: Arrays, round: int, partition: int) -> Arrays:
        draw = np.random.default_rng(derived_seed(seed, "drift", round, partition))
        return {
            name: (value + scale * draw.standard_normal(value.shape)).astype(np.float32)
            for name, value in adapter.items()
        }

    return train
