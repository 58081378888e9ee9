"""Trials of a strategy: it aggregates a round again, on copies of itself, with replies that differ.

For strategies whose formula the harness does not know. A copy is a fresh strategy with the state
that the real one had in the middle of the round; neither it nor its generators are touched.
"""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from harness.errors import PluginError
from harness.federation.storage import strategy_state
from harness.federation.strategy_calls import aggregated, configured
from harness.federation.wire.names import ARRAYS_RECORD
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import to_record, to_tensors

Arrays = Mapping[str, NDArray[Any]]
Build = Callable[[], Strategy]
"""Returns a fresh strategy."""


@dataclass(frozen=True, slots=True)
class MidRound:
    """A strategy between its two calls of a round, and the replies before it saw them."""

    round: int
    build: Build
    strategy: Strategy | None
    """A copy, where the state is none that a checkpoint could keep."""
    state: Any
    tensors: Mapping[str, NDArray[Any]]
    messages: Sequence[Message]
    contents: Sequence[RecordDict]

    @classmethod
    def of(
        cls, round: int, strategy: Strategy, build: Build, messages: Sequence[Message]
    ) -> MidRound:
        """Remember a strategy and its replies.

        Args:
            round: from 1.
            strategy: the real one, after `configure_train`.
            build: makes another.
            messages: the replies.

        Raises:
            PluginError: the strategy can be copied in no way.
        """
        twin = None
        try:
            state, tensors = strategy_state.capture(strategy)
        except PluginError as refusal:
            state, tensors = None, {}
            try:
                twin = copy.deepcopy(strategy)
            except Exception:
                raise PluginError(f"{refusal}, and it cannot be copied either") from refusal
        return cls(round, build, twin, state, tensors, messages, [_shallow(m) for m in messages])

    def replies(self) -> list[dict[str, NDArray[Any]]]:
        """Return the arrays of each reply, in the order of the messages; read-only."""
        return [
            to_tensors(records_in(content, ArrayRecord)[ARRAYS_RECORD]) for content in self.contents
        ]

    def aggregate(
        self, seed: Callable[[], None], changed: Mapping[int, Arrays] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return what a copy of the strategy makes of the replies.

        Args:
            seed: seeds the generators as for the real aggregate.
            changed: place of a reply -> the arrays that it has instead.

        Raises:
            PluginError: the copy raised, or gave nothing.
        """
        strategy = self.strategy and copy.deepcopy(self.strategy)
        if strategy is None:
            strategy = self.build()
            strategy_state.restore(strategy, self.state, self.tensors)
        return self._aggregate(strategy, seed, changed or {})

    def aggregate_fresh(
        self,
        seed: Callable[[], None],
        before: Arrays,
        nodes: Sequence[int],
        replies: Sequence[Arrays],
    ) -> dict[str, NDArray[Any]]:
        """Return what a strategy without any memory makes of other replies.

        Args:
            seed: seeds the generators as for the real aggregate.
            before: the adapter that the round began with.
            nodes: all node ids.
            replies: arrays of each reply.

        Raises:
            PluginError: the strategy raised, or gave nothing.
        """
        strategy = self.build()
        grid: Any = _Nodes(nodes)
        seed()
        configured(
            strategy, _tried_again(strategy), self.round, to_record(before), ConfigRecord(), grid
        )
        return self._aggregate(strategy, seed, dict(enumerate(replies)))

    def _aggregate(
        self, strategy: Strategy, seed: Callable[[], None], changed: Mapping[int, Arrays]
    ) -> dict[str, NDArray[Any]]:
        messages = []
        for place, (message, content) in enumerate(zip(self.messages, self.contents, strict=True)):
            fresh = _copied(content)
            if place in changed:
                fresh[ARRAYS_RECORD] = to_record(changed[place])
            messages.append(Message(fresh, metadata=message.metadata))
        seed()
        return aggregated(strategy, _tried_again(strategy), self.round, messages)[0]


def _tried_again(strategy: Strategy) -> str:
    return f"strategy {type(strategy).__name__}, tried again"


class _Nodes:
    """A grid that says its nodes and does nothing else."""

    def __init__(self, nodes: Sequence[int]) -> None:
        self.nodes = list(nodes)

    def get_node_ids(self) -> list[int]:
        """Return all node ids."""
        return self.nodes


@contextmanager
def leaving_no_trace() -> Iterator[None]:
    """Put the global generators back afterwards, and keep Flower's log silent meanwhile."""
    log = logging.getLogger("flwr")
    before, numpys, disabled = random.getstate(), np.random.get_state(), log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = disabled
        random.setstate(before)
        np.random.set_state(numpys)


def _shallow(message: Message) -> RecordDict:
    return _copied(message.content)


def _copied(content: RecordDict) -> RecordDict:
    """Return a copy of the records; the arrays in them are the same, and nothing writes to them."""
    fresh = RecordDict()
    for key, record in content.items():
        if isinstance(record, ArrayRecord):
            arrays = ArrayRecord()
            for name, array in record.items():
                arrays[name] = array if isinstance(array, Array) else Array(array)
            fresh[key] = arrays
        elif isinstance(record, MetricRecord):
            fresh[key] = MetricRecord(dict(record))
        else:
            fresh[key] = ConfigRecord(dict(record))
    return fresh
