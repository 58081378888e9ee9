"""A strategy's two parts, built from a spec's components and held to what they must be.

Whatever their code raises names the strategy, in one line, and no client is asked again for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flwr.serverapp.strategy import Strategy

from harness.components import (
    LocalObjective,
    LocalRound,
    RoundPlan,
    StrategyContext,
    StrategyMethod,
)
from harness.document import Document
from harness.errors import PluginError
from harness.federation.storage import strategy_state
from harness.plugins.guard import calling_plugin
from harness.plugins.long_calls import telling_while_long
from harness.plugins.places import at


def build_strategy(
    name: str, method: StrategyMethod, params: Document, context: StrategyContext
) -> Strategy:
    """Return a fresh Flower strategy.

    Args:
        name: what the strategy is called in messages.
        method: the component.
        params: its parameters.
        context: what it may know of its run.

    Raises:
        PluginError: `build` raises, returns something else, or the strategy brings rounds of its
            own or state that no checkpoint could keep.
    """
    call = f"strategy {name}: build()"
    with telling_while_long(call, method.build), calling_plugin(call, function=method.build):
        strategy: Any = method.build(params, context)
    if not isinstance(strategy, Strategy):
        raise PluginError(
            f"strategy {name}: build() returned {type(strategy).__name__}; expected a"
            f" flwr.serverapp.strategy.Strategy{at(method.build)}"
        )
    if type(strategy).start is not Strategy.start:
        raise PluginError(
            f"strategy {type(strategy).__name__} overrides Flower's start(), which the harness uses"
            " to run, record and resume rounds; override configure_train and aggregate_train"
            f" instead{at(type(strategy).start)}"
        )
    strategy_state.capture(strategy)  # which refuses, by name, what no checkpoint could keep
    return strategy


def client_part(
    name: str,
    method: StrategyMethod,
    params: Document,
    plan: Callable[[], RoundPlan] | None = None,
) -> LocalObjective | None:
    """Return a strategy's part on the client, or None where it has none.

    Args:
        name: what the strategy is called in messages.
        method: the component.
        params: its parameters.
        plan: gives the plan of the round that `finish` works in, whose names it is held to.

    Raises:
        PluginError: `local_objective` raises or returns something else.
    """
    if method.local_objective is None:
        return None
    culprit = f"strategy {name}: local_objective()"
    with calling_plugin(culprit, function=method.local_objective):
        part = method.local_objective(params)
    if not isinstance(part, LocalObjective):
        raise PluginError(
            f"{culprit} returned {type(part).__name__}; expected a LocalObjective, or leave"
            f" local_objective None{at(method.local_objective)}"
        )
    return LocalObjective(
        name=part.name,
        loss=_guarded_loss(part.loss, f"strategy {name}: loss()") if part.loss else None,
        finish=_guarded_finish(part.finish, f"strategy {name}: finish()", plan)
        if part.finish
        else None,
        reads=tuple(part.reads),
    )


def _guarded_loss(loss: Callable[..., Any], culprit: str) -> Callable[..., Any]:
    def guarded(parameters: Mapping[str, Any], received: Mapping[str, Any]) -> Any:
        import torch

        with telling_while_long(culprit, loss), calling_plugin(culprit, function=loss):
            value = loss(parameters, received)
        if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.requires_grad:
            raise PluginError(
                f"{culprit} returned {value!r:.60}; expected a scalar tensor that depends on the"
                f" trained parameters{at(loss)}"
            )
        return value

    return guarded


def _guarded_finish(
    finish: Callable[..., Any], culprit: str, plan: Callable[[], RoundPlan] | None
) -> Callable[..., Any]:
    @wraps(finish)
    def guarded(done: LocalRound) -> Mapping[str, Any]:
        with telling_while_long(culprit, finish), calling_plugin(culprit, function=finish):
            arrays = finish(done)
        if not isinstance(arrays, Mapping):
            raise PluginError(
                f"{culprit} returned {type(arrays).__name__}; expected arrays by tensor name"
                f"{at(finish)}"
            )
        known = done.received.keys() | (plan().up.keys() if plan is not None else arrays.keys())
        # A misspelt control variate would stay what it was, round after round.
        if unknown := sorted(map(str, arrays.keys() - known)):
            raise PluginError(
                f"{culprit} returned {unknown[0]!r}, which is no tensor of the adapter and which"
                f" the round's plan neither returns nor keeps; name it as it does{at(finish)}"
            )
        return arrays

    return guarded
