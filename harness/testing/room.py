"""A federation in a room: a strategy and clients in one process, on small arrays, in no time.

Everything that the real federation checks of messages and replies is checked here by the same
functions; training is replaced by a draw that depends on (seed, round, partition) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import Strategy
from flwr.supercore.task_identity import TaskIdentity

from harness.components import (
    LocalObjective,
    LocalRound,
    RoundPlan,
    StrategyContext,
    StrategyMethod,
)
from harness.document import Document
from harness.errors import PluginError
from harness.federation import state
from harness.federation.draws import seed_draws
from harness.federation.messages import check_messages, count_bytes
from harness.federation.tensors import difference, to_record, to_tensors
from harness.federation.wire import ARRAYS, CONFIG, EXAMPLES, LEARNING_RATE, LOSS, METRICS
from harness.forecast import message_bytes
from harness.spec import derived_seed

Arrays = dict[str, Any]
"""Tensor name -> float32 array."""

Trained = Callable[[Arrays, int, int], Arrays]
"""(what a client holds, round, partition) -> the adapter as trained. A client holds the adapter and
the strategy's own arrays; what it returns beside the adapter is not looked at."""

RATE = 1e-3
STEPS = 4


@dataclass
class Room:
    """One strategy with its clients."""

    method: StrategyMethod
    params: Document
    context: StrategyContext
    train: Trained
    """What clients do."""
    examples: Mapping[int, int] = field(default_factory=dict)
    """Partition -> its examples; 100 where missing."""
    order: Callable[[list[Message]], list[Message]] = list
    """In which order replies reach the strategy."""

    def __post_init__(self) -> None:
        """Build a fresh strategy."""
        self.strategy: Strategy = self.method.build(self.params, self.context)
        make = self.method.local_objective
        self.objective: LocalObjective | None = make(self.params) if make else None
        self.initial = seeded_adapter(self.context)
        self.kept: dict[int, Arrays] = {}

    def play(self, adapter: Arrays, round: int) -> Arrays:
        """Run one round from `adapter` and return the new adapter.

        Raises:
            PluginError: a message or reply is not what the round plan says, a config key is sent
                that nothing reads, bytes are not as forecast, or the aggregate is not an adapter.
        """
        plan = self.method.plan_of(self.params, self.context, round)
        reads = frozenset(self.objective.reads) if self.objective else frozenset()
        with _identity():
            seed_draws(self.context.seed, "sampling", round)
            messages = list(
                self.strategy.configure_train(round, to_record(adapter), ConfigRecord(), self)
            )
            nodes = {node: node for node in self.get_node_ids()}
            wanted = check_messages(messages, nodes, plan, reads, round)
            forecast = message_bytes(plan.down)
            for content in wanted.values():
                if count_bytes(content) != forecast:
                    raise PluginError(
                        f"round {round} sends {count_bytes(content)} bytes; forecast {forecast}"
                    )
            by_node = {message.metadata.dst_node_id: message for message in messages}
            replies = [
                self._reply(by_node[partition], content, plan, partition, round)
                for partition, content in wanted.items()
            ]
            seed_draws(self.context.seed, "aggregation", round)
            record, _ = self.strategy.aggregate_train(round, self.order(replies))
        if record is None:
            raise PluginError(f"no aggregate in round {round}")
        found = to_tensors(record)
        shapes = plan.adapter or {name: value.shape for name, value in adapter.items()}
        problem = difference(found, shapes)
        if problem:
            raise PluginError(f"aggregate of round {round}: {problem}")
        return {name: np.array(value) for name, value in found.items()}

    def rounds(self, count: int) -> Arrays:
        """Run rounds 1..count from the seeded adapter."""
        adapter = dict(self.initial)
        for number in range(1, count + 1):
            adapter = self.play(adapter, number)
        return adapter

    def resumed(self, count: int, after: int) -> Arrays:
        """Run `count` rounds; after `after`, a new strategy goes on from the old one's state."""
        adapter = dict(self.initial)
        for number in range(1, count + 1):
            if number == after + 1:
                kept, tensors = state.capture(self.strategy)
                self.strategy = self.method.build(self.params, self.context)
                state.restore(self.strategy, kept, tensors)
            adapter = self.play(adapter, number)
        return adapter

    def get_node_ids(self) -> list[int]:
        """Be the grid that a strategy samples from: node ids are partitions."""
        return list(range(self.context.num_supernodes))

    def _reply(
        self, message: Message, content: RecordDict, plan: RoundPlan, partition: int, round: int
    ) -> Message:
        sent = {n: np.array(a) for n, a in to_tensors(content.array_records[ARRAYS]).items()}
        config = dict(content.config_records.get(CONFIG, {}))
        before = self.kept.get(partition, {})
        held = {name: sent.get(name, before.get(name, v)) for name, v in self.initial.items()}
        for name, shape in {**plan.keep, **plan.down}.items():
            if name not in held:
                held[name] = sent.get(name, before.get(name, np.zeros(shape, np.float32)))
        adapter = {name: held[name] for name in self.initial}
        moved = self.train(dict(held), round, partition)
        trained = {n: moved[n] if n in plan.train else adapter[n] for n in adapter}
        result = {**held, **trained}
        if self.objective is not None and self.objective.finish is not None:
            done = LocalRound(held, trained, STEPS, RATE, config)
            result.update(self.objective.finish(done))
        self.kept[partition] = {name: np.array(result[name]) for name in plan.keep}
        arrays = {name: np.asarray(result[name]) for name in plan.up}
        problem = difference(arrays, plan.up)
        if problem:
            raise PluginError(f"reply of partition {partition} in round {round}: {problem}")
        metrics = {
            EXAMPLES: self.examples.get(partition, 100),
            LOSS: 1.0 + 0.1 * partition,
            LEARNING_RATE: RATE,
        }
        records = RecordDict({ARRAYS: to_record(arrays), METRICS: MetricRecord(metrics)})
        return Message(records, reply_to=message)


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


def reverse(messages: Sequence[Message]) -> list[Message]:
    """Return replies in the opposite order."""
    return list(messages)[::-1]


@contextmanager
def _identity() -> Iterator[None]:
    """Say who sends Flower's messages, which ask for it outside of a Flower process too."""
    before = (TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id)
    TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id = 1, 1, 1
    try:
        yield
    finally:
        TaskIdentity._run_id, TaskIdentity._node_id, TaskIdentity._task_id = before
