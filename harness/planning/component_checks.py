"""What a component's functions must answer with, checked before anything heavy starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.boards.challenge import Challenge
from harness.components import (
    ModelSpec,
    PeftMethod,
    RoundPlan,
    Shapes,
    StrategyContext,
    StrategyMethod,
)
from harness.document import Document
from harness.errors import PluginError
from harness.plugins import Components
from harness.plugins.guard import calling_plugin
from harness.plugins.long_calls import telling_while_long
from harness.plugins.places import at
from harness.recipe import Choice, TrainSpec
from harness.spec import RunSpec

PROMPT_TENSOR = "prompt_embeddings"
"""What peft's methods that learn a prompt or a prefix keep. Source: peft 0.21
`get_peft_model_state_dict`."""


def adapter_shapes(name: str, method: PeftMethod, model: ModelSpec, params: Document) -> Shapes:
    """Return the tensors of a PEFT method's adapter.

    Args:
        name: qualified name of the method, for messages.
        method: the method.
        model: the base model.
        params: the method's parameters.

    Raises:
        PluginError: `shapes` raises, forecasts nothing or a learned prompt, or what it forecasts
            are no shapes.
    """
    culprit = f"PEFT method {name}: shapes()"
    with (
        telling_while_long(culprit, method.shapes),
        calling_plugin(culprit, function=method.shapes),
    ):
        shapes = method.shapes(model, params)
    _check_shapes(shapes, culprit, at(method.shapes))
    if not shapes:
        raise PluginError(
            f"{culprit} forecasts no tensor; expected those that peft makes{at(method.shapes)}"
        )
    if PROMPT_TENSOR in shapes:
        raise PluginError(
            f"{culprit} forecasts {PROMPT_TENSOR}: prompt learning adds tokens to the examples; use"
            f" a method that changes layers{at(method.shapes)}"
        )
    return shapes


def travelling_shapes(name: str, method: PeftMethod, shapes: Shapes) -> Shapes:
    """Return the tensors of one message: the adapter's without the frozen ones.

    Args:
        name: qualified name of the method, for messages.
        method: the method.
        shapes: the whole adapter's, as `adapter_shapes` returned them.

    Raises:
        PluginError: `frozen` raises, or every tensor is frozen.
    """
    with calling_plugin(f"PEFT method {name}: frozen()", function=method.frozen):
        moving = {tensor: shape for tensor, shape in shapes.items() if not method.frozen(tensor)}
    if not moving:
        raise PluginError(
            f"PEFT method {name}: every tensor is frozen: nothing would train{at(method.frozen)}"
        )
    return moving


def round_plan(
    name: str, strategy: StrategyMethod, params: Document, context: StrategyContext, round: int
) -> RoundPlan:
    """Return what one round moves.

    Args:
        name: qualified name of the strategy, for messages.
        strategy: the strategy.
        params: its parameters.
        context: what the strategy may know of the run.
        round: number of the round, from 1.

    Raises:
        PluginError: `round_plan` raises or returns no RoundPlan; a tensor of the adapter has
            another shape in it; it trains what the adapter has not, or trains what is lost
            afterwards; or clients are to return what nobody makes.
    """
    culprit = f"strategy {name}: round_plan() of round {round}"
    plan_of = strategy.round_plan
    with telling_while_long(culprit, plan_of), calling_plugin(culprit, function=plan_of):
        plan = strategy.plan_of(params, context, round)
    if not isinstance(plan, RoundPlan):
        raise PluginError(
            f"{culprit} returned {type(plan).__name__}; expected a RoundPlan"
            f"{at(strategy.round_plan)}"
        )
    if strategy.round_plan is None:
        return plan
    for part in (plan.down, plan.up, plan.keep, plan.adapter or {}):
        _check_shapes(part, culprit, at(strategy.round_plan))
    for part in (plan.down, plan.up, plan.keep):
        for tensor in part.keys() & context.shapes.keys():
            if tuple(part[tensor]) != tuple(context.shapes[tensor]):
                raise PluginError(
                    f"{culprit} gives {tensor} the shape {part[tensor]}; the adapter's is"
                    f" {context.shapes[tensor]}{at(strategy.round_plan)}"
                )
    with calling_plugin(culprit):
        makes = strategy.local_objective is not None
        problem = _plan_problem(plan, context.shapes, makes)
    if problem:
        raise PluginError(f"{culprit} {problem}{at(strategy.round_plan)}")
    return plan


def strategy_context(
    spec: RunSpec, challenge: Challenge, components: Components, shapes: Shapes
) -> StrategyContext:
    """Return what a strategy may know of a run.

    Args:
        spec: the run.
        challenge: its challenge.
        components: the components that the spec names.
        shapes: the whole adapter's, as `adapter_shapes` returned them.

    Raises:
        PluginError: see `travelling_shapes`.
    """
    return StrategyContext(
        num_supernodes=challenge.num_supernodes,
        clients_per_round=challenge.clients_per_round(spec.train.fraction),
        fraction=spec.train.fraction,
        rounds=spec.train.rounds,
        seed=spec.seed,
        shapes=travelling_shapes(spec.peft.name, components.method, shapes),
        peft_method=spec.peft.name,
        peft_params=spec.peft.params,
    )


def round_plans(
    name: str, components: Components, context: StrategyContext, refused: bool
) -> list[RoundPlan]:
    """Return what each round moves; one shared plan where the strategy declares none.

    Args:
        name: qualified name of the strategy, for messages.
        components: the components of the run.
        context: what the strategy may know of it.
        refused: whether the strategy is not valid for the PEFT method. Then it has no plan for its
            tensors: the rules will say why, and the forecast counts the whole adapter.

    Raises:
        PluginError: see `round_plan`.
    """
    strategy, params = components.strategy, components.strategy_params
    if refused:
        shapes = dict(context.shapes)
        return [RoundPlan(shapes, shapes, frozenset(shapes))] * context.rounds
    if strategy.round_plan is None:
        return [round_plan(name, strategy, params, context, 1)] * context.rounds
    rounds = range(1, context.rounds + 1)
    return [round_plan(name, strategy, params, context, number) for number in rounds]


def objection(
    name: str,
    strategy: StrategyMethod,
    params: Document,
    peft: Choice,
    train: TrainSpec,
    clients: int,
) -> tuple[str | None, str | None]:
    """Return why a strategy is not valid for a PEFT method, and why not for the training, or None.

    Args:
        name: qualified name of the strategy, for messages.
        strategy: the strategy.
        params: its parameters.
        peft: the PEFT method, name qualified and parameters complete.
        train: the recipe's training.
        clients: of a round.

    Raises:
        PluginError: one of its answers raises, or returns neither text nor None.
    """
    method = _reason(name, strategy, "supports", peft.name, peft.params)
    training = _reason(name, strategy, "supports_training", params, train)
    so_many = clients_objection(name, strategy, params, clients)
    return method, training or so_many


def clients_objection(
    name: str, strategy: StrategyMethod, params: Document, clients: int
) -> str | None:
    """Return why a strategy is not made for so many clients a round, or None.

    Args:
        name: qualified name of the strategy, for messages.
        strategy: the strategy.
        params: its parameters.
        clients: of a round.

    Raises:
        PluginError: its answer raises, or is neither text nor None.
    """
    return _reason(name, strategy, "supports_clients", params, clients)


def _reason(name: str, strategy: StrategyMethod, asked: str, *given: object) -> str | None:
    """Ask one of a strategy's functions for the reason against what is given."""
    function = getattr(strategy, asked)
    with calling_plugin(f"strategy {name}: {asked}()", function=function):
        answer = function(*given)
    if not (answer is None or isinstance(answer, str)):
        raise PluginError(
            f"strategy {name}: {asked}() returned {answer!r:.60}; expected the reason"
            f" against it as text, or None{at(function)}"
        )
    return answer


def _check_shapes(shapes: object, culprit: str, place: str) -> None:
    if not isinstance(shapes, Mapping):
        raise PluginError(
            f"{culprit} returned {type(shapes).__name__}; expected tensor names and shapes{place}"
        )
    for tensor, shape in shapes.items():
        sizes = shape if isinstance(shape, tuple | list) else (None,)
        if not isinstance(tensor, str) or not all(type(n) is int and n > 0 for n in sizes):
            raise PluginError(
                f"{culprit} has {tensor!r}: {shape!r:.60}; expected a name and a tuple of whole"
                f" numbers from 1{place}"
            )


def _plan_problem(plan: RoundPlan, shapes: Mapping[str, Any], makes: bool) -> str | None:
    if odd := sorted(set(plan.train) - shapes.keys()):
        return f"trains {odd[0]!r}, which is no tensor of the adapter that travels"
    if not plan.train:
        return "trains nothing"
    if lost := sorted(set(plan.train) - plan.up.keys() - plan.keep.keys()):
        return f"trains {lost[0]!r}, which is neither returned nor kept, so it would be lost"
    known = shapes.keys() | plan.down.keys() | plan.keep.keys()
    if not makes and (odd := sorted(plan.up.keys() - known)):
        return f"has clients return {odd[0]!r}, which no client part makes"
    return None
