"""A small federation: a strategy and clients in one process, on small arrays, in no time.

Everything that the real federation checks of messages and replies is checked here by the same
functions; training is replaced by a draw that depends on (seed, round, partition) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness.document import Document
from harness.document.units import how_many
from harness.errors import PluginError
from harness.federation.rehearsal.clients import Arrays, Clients, Trained, seeded_adapter
from harness.federation.serverapp.grid import MOST_LOOKS
from harness.federation.serverapp.message_checks import check_messages, count_bytes
from harness.federation.serverapp.seeding import seed_draws
from harness.federation.storage import strategy_state
from harness.federation.strategy_calls import aggregated, configured
from harness.federation.strategy_parts import build_strategy, client_part
from harness.federation.wire.tensors import difference, to_record
from harness.library_internals.flower import sending_as
from harness.planning.component_checks import round_plan
from harness.planning.forecast import message_bytes
from harness.plugins.places import at


@dataclass
class SmallFederation:
    """One strategy with its clients, on small arrays."""

    method: StrategyMethod
    params: Document
    context: StrategyContext
    train: Trained
    """What clients do."""
    examples: Mapping[int, int] = field(default_factory=dict)
    """Partition -> its examples; 100 where missing."""
    reply_order: Callable[[list[Message]], list[Message]] = list
    """Puts replies into the order in which they reach the strategy."""
    initial: Arrays = field(default_factory=dict)
    """The adapter as it starts; small random tensors when none is given."""

    def __post_init__(self) -> None:
        """Build a fresh strategy, and clients that have kept nothing yet."""
        self.name = f"strategy {self.method.name}"
        self.initial = self.initial or seeded_adapter(self.context)
        self._build()
        self.objective = client_part(self.method.name, self.method, self.params, lambda: self.plan)
        self.clients = Clients(self.initial, self.objective, self.train, self.examples)
        self.looks = 0

    def _build(self) -> None:
        self.strategy = build_strategy(self.method.name, self.method, self.params, self.context)

    def play(self, adapter: Arrays, round: int) -> Arrays:
        """Run one round from `adapter` and return the new adapter.

        Raises:
            PluginError: a message or reply is not what the round plan says, a config key is sent
                that nothing reads, bytes are not as forecast, the aggregate is not an adapter, or
                the strategy raises.
        """
        plan = round_plan(self.method.name, self.method, self.params, self.context, round)
        self.plan = plan
        with sending_as(1):
            replies = self._ask(adapter, plan, round)
            seed_draws(self.context.seed, "aggregation", round)
            found, _ = aggregated(self.strategy, self.name, round, self.reply_order(replies))
        place = at(type(self.strategy).aggregate_train)
        shapes = plan.adapter or {name: value.shape for name, value in adapter.items()}
        if problem := difference({n: found[n] for n in shapes if n in found} | found, shapes):
            raise PluginError(f"{self.name}: aggregate of round {round}: {problem}{place}")
        return {name: np.array(found[name]) for name in shapes}

    def _ask(self, adapter: Arrays, plan: RoundPlan, round: int) -> list[Message]:
        reads = frozenset(self.objective.reads) if self.objective else frozenset()
        self.looks = 0
        seed_draws(self.context.seed, "sampling", round)
        grid: Any = self
        messages = configured(
            self.strategy, self.name, round, to_record(adapter), ConfigRecord(), grid
        )
        nodes = {node: node for node in range(self.context.num_supernodes)}
        wanted = check_messages(messages, nodes, plan, reads, round)
        clients = self.context.clients_per_round
        # Flower's strategies sample two at least, and so does every challenge.
        if len(wanted) != clients > 1:
            raise PluginError(
                f"{self.name}: it sampled {how_many(len(wanted), 'client')} in round {round}; the"
                f" context says {clients}"
            )
        forecast = message_bytes(plan.down)
        for content in wanted.values():
            if count_bytes(content) != forecast:
                raise PluginError(
                    f"round {round} sends {count_bytes(content)} bytes; forecast {forecast}"
                )
        by_node = {message.metadata.dst_node_id: message for message in messages}
        return [
            self.clients.answer(by_node[partition], content, plan, partition, round)
            for partition, content in wanted.items()
        ]

    def rounds(self, count: int) -> Arrays:
        """Run rounds 1..count from the initial adapter."""
        adapter = dict(self.initial)
        for number in range(1, count + 1):
            adapter = self.play(adapter, number)
        return adapter

    def resumed(self, count: int, after: int) -> Arrays:
        """Run `count` rounds; after `after`, a new strategy goes on from the old one's state."""
        adapter = dict(self.initial)
        for number in range(1, count + 1):
            if number == after + 1:
                kept, tensors = strategy_state.capture(self.strategy)
                self._build()
                strategy_state.restore(self.strategy, kept, tensors)
            adapter = self.play(adapter, number)
        return adapter

    def get_node_ids(self) -> list[int]:
        """Be the grid that a strategy samples from: node ids are partitions.

        Raises:
            PluginError: asked over and over, as Flower's sampling does until there are more nodes.
        """
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise PluginError(
                f"it waits for more than the {self.context.num_supernodes} supernodes that there"
                " are; give it the context's num_supernodes and clients_per_round"
            )
        return list(range(self.context.num_supernodes))


def reverse(messages: Sequence[Message]) -> list[Message]:
    """Return replies in the opposite order."""
    return list(messages)[::-1]
