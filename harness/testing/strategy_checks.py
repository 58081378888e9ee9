"""Checks of one strategy, in a federation of small arrays."""

from __future__ import annotations

from collections.abc import Iterator

from harness.components import StrategyContext, StrategyMethod
from harness.document import Document
from harness.errors import HarnessError
from harness.federation.rehearsal.clients import MOVE, drift
from harness.federation.rehearsal.rehearse import small_context
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.federation.strategy_parts import client_part
from harness.planning.component_checks import (
    adapter_shapes,
    round_plan,
    travelling_shapes,
)
from harness.planning.resolve import Resolved
from harness.plugins import Loaded
from harness.plugins.guard import calling_plugin
from harness.testing.laws import BREAKABLE, LAWS
from harness.testing.problem import Problem
from harness.testing.samples import (
    LORA_METHODS,
    LORA_PARAMS,
    TINY,
    lora_shapes,
    sample_params,
)

SUPERNODES = 8
CLIENTS = 6
"""Few ties for Krum: two clients that are each other's nearest have one score."""
MOST_ROUNDS = 500
"""Rounds of a recipe that are tried on small arrays, at some milliseconds each."""


def check_strategy(method: StrategyMethod, plugin: Loaded) -> Iterator[Problem]:
    """Yield what is wrong with a strategy.

    It builds, sends what its plan says and only keys that its client part reads, returns an adapter
    of the same float32 tensors, and keeps the laws of `harness.testing.laws`.
    """
    subject = f"strategy {method.name}"
    try:
        samples = sample_params(method, plugin)
    except HarnessError as error:
        yield Problem(subject, "params", str(error))
        return
    for law in method.broken_laws:
        if law not in BREAKABLE:
            yield Problem(subject, "laws", f"{law!r} cannot be broken; such are {BREAKABLE}")
    try:
        context = sample_context(method, plugin)
    except HarnessError as error:
        yield Problem(subject, "supports", str(error))
        return
    if context is None:
        yield Problem(
            subject, "supports", "it refuses every PEFT method of its plugin and standard/lora"
        )
        return
    for params in samples:
        try:
            yield from list(_client_part(method, params, context))
        except HarnessError as error:
            # The laws would trip over it as well.
            yield Problem(subject, "client part", str(error))
            continue
        yield from _laws(method, params, context)


def check_rounds_of(plan: Resolved) -> Iterator[Problem]:
    """Yield what is wrong with a recipe's strategy in the rounds of the recipe.

    Parameters, supernodes, clients and rounds are the recipe's; the arrays are small. What a
    strategy does from its tenth round on, or cannot do with two clients, shows here and not after
    hours of training.
    """
    spec, parts = plan.spec, plan.components
    try:
        context = small_context(spec, plan.challenge, parts)
        federation = SmallFederation(parts.strategy, parts.strategy_params, context, drift(MOVE))
        federation.rounds(min(context.rounds, MOST_ROUNDS))
    except HarnessError as error:
        yield Problem(f"recipe {spec.recipe}", "rounds", str(error))


def sample_context(method: StrategyMethod, plugin: Loaded) -> StrategyContext | None:
    """Return a small run of a PEFT method that the strategy supports, its own plugin's first."""
    candidates = [
        (f"{plugin.ref.name}/{peft.name}", params.model_dump(mode="json"), peft, params)
        for peft in plugin.peft_methods.values()
        for params in sample_params(peft, plugin)
    ]
    with calling_plugin("supports()", function=method.supports):
        for name, values, peft, params in candidates:
            if method.supports(name, values) is None:
                shapes = adapter_shapes(name, peft, TINY, params)
                return _context(name, values, travelling_shapes(name, peft, shapes))
        for name in LORA_METHODS:
            if method.supports(name, LORA_PARAMS) is None:
                return _context(name, LORA_PARAMS, lora_shapes())
    return None


def _context(
    name: str, params: dict[str, object], shapes: dict[str, tuple[int, ...]]
) -> StrategyContext:
    return StrategyContext(
        num_supernodes=SUPERNODES,
        clients_per_round=CLIENTS,
        fraction=CLIENTS / SUPERNODES,
        rounds=4,
        seed=7,
        shapes=shapes,
        peft_method=name,
        peft_params=params,
    )


def _laws(method: StrategyMethod, params: Document, context: StrategyContext) -> Iterator[Problem]:
    subject = f"strategy {method.name}"
    for name, law in LAWS.items():
        if name in method.broken_laws:
            continue
        try:
            broken = law(method, params, context)
        except HarnessError as error:
            # Every law would trip over it: once is enough.
            yield Problem(subject, "contract", str(error))
            return
        if broken:
            yield Problem(subject, name, broken)


def _client_part(
    method: StrategyMethod, params: Document, context: StrategyContext
) -> Iterator[Problem]:
    """The client part does something, and its loss term reaches every tensor that is trained."""
    subject = f"strategy {method.name}"
    objective = client_part(method.name, method, params)
    if objective is None:
        return
    if objective.loss is None and objective.finish is None:
        yield Problem(
            subject, "client part", f"reads {objective.reads} and does nothing: give loss or finish"
        )
    if objective.loss is None:
        return
    import torch

    plan = round_plan(method.name, method, params, context, 1)
    torch.manual_seed(0)
    shapes = {**context.shapes, **plan.down, **plan.keep}
    received = {name: torch.randn(shape) for name, shape in shapes.items()}
    moved = {n: torch.randn(context.shapes[n], requires_grad=True) for n in sorted(plan.train)}
    value = objective.loss(moved, received)
    if not torch.isfinite(value):
        yield Problem(subject, "loss", f"its loss term is {value!r:.60}; expected a finite scalar")
        return
    torch.autograd.backward(value)
    still = [name for name, tensor in moved.items() if tensor.grad is None]
    if still:
        yield Problem(subject, "loss", f"its loss term does not reach {still[0]}")
