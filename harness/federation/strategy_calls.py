"""The two calls of a round that a strategy answers, held to what they must return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from harness.errors import PluginError
from harness.federation.wire.tensors import to_tensors
from harness.plugins.guard import calling_plugin
from harness.plugins.long_calls import telling_while_long
from harness.plugins.places import at
from harness.processes.numeric_threads import one_thread

Tensors = dict[str, NDArray[np.generic]]


def configured(
    strategy: Strategy,
    name: str,
    round: int,
    arrays: ArrayRecord,
    config: ConfigRecord,
    grid: Grid,
) -> list[Message]:
    """Return the messages that a strategy wants to send.

    Args:
        strategy: the strategy.
        name: what it is called in messages.
        round: number of the round, from 1.
        arrays: the adapter.
        config: what it may put its keys into.
        grid: what it samples from.

    Raises:
        PluginError: it raises, or returns anything but messages.
    """
    call = f"{name}: configure_train() of round {round}"
    function = type(strategy).configure_train
    with _alone(call, function):
        found: Any = strategy.configure_train(round, arrays, config, grid)
        messages = list(found) if isinstance(found, Iterable) else found
    if not isinstance(messages, list) or not all(isinstance(item, Message) for item in messages):
        raise PluginError(
            f"{call} returned {_kind(messages)}; expected the messages to its clients{at(function)}"
        )
    return messages


def aggregated(
    strategy: Strategy, name: str, round: int, replies: Iterable[Message]
) -> tuple[Tensors, MetricRecord | None]:
    """Return the tensors and the metrics that a strategy makes of its clients' replies.

    Args:
        strategy: the strategy.
        name: what it is called in messages.
        round: number of the round, from 1.
        replies: what the clients answered.

    Raises:
        PluginError: it raises, gives no aggregate, or returns anything but the two records.
    """
    call = f"{name}: aggregate_train() of round {round}"
    function = type(strategy).aggregate_train
    with _alone(call, function):
        answer: Any = strategy.aggregate_train(round, replies)
    pair = answer if isinstance(answer, tuple | list) else ()
    wanted = (ArrayRecord | None, MetricRecord | None)
    if len(pair) != 2 or not all(map(isinstance, pair, wanted)):
        raise PluginError(
            f"{call} returned {_kind(answer)}; expected an ArrayRecord and a MetricRecord or None"
            f"{at(function)}"
        )
    arrays, metrics = pair
    if arrays is None:
        raise PluginError(f"{name} gave no aggregate in round {round}{at(function)}")
    try:
        return to_tensors(arrays), metrics
    except ValueError as error:
        raise PluginError(f"{call} returned {error}{at(function)}") from error


@contextmanager
def _alone(call: str, function: Any) -> Iterator[None]:
    """Call a plugin's function by its name in messages, on one thread of numeric libraries."""
    with telling_while_long(call, function), calling_plugin(call, function=function), one_thread():
        yield


def _kind(value: object) -> str:
    """Return the type of a value, and of what it holds: `(dict, MetricRecord)`."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list) and len(value) <= 5:
        return f"({', '.join(_kind(item) for item in value)})"
    return type(value).__name__
