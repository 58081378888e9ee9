"""Strategies that train or share one factor of LoRA at a time, so that means of products are exact.

mean(B_i A) = mean(B_i) A when all clients hold the same A, and likewise for B.

FFA-LoRA    A stays at its seeded start, B is trained          https://arxiv.org/abs/2403.12313
            down B, up B
RoLoRA      odd rounds train B, even rounds A                  https://arxiv.org/abs/2502.01755
            down A and B (a client may be new), up the trained one
FedSA-LoRA  both are trained, A is shared, B stays at home     https://arxiv.org/abs/2410.01463
            down A, up A; in the last round up A and B: the leaderboard evaluates one model, so
            its B is the mean of that round's clients
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from harness.components import RoundPlan, Shapes, StrategyContext, StrategyMethod
from harness_standard.factors import a_names, b_names
from harness_standard.strategies.fedavg import FedAvgParams, sampling
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

PlanRule = Callable[[FedAvgParams, StrategyContext, int], RoundPlan]


def _ffa_lora(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    b = _only(context, b_names(context.shapes))
    return RoundPlan(down=b, up=b, train=frozenset(b))


def _rolora(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    # B first: it starts at zero, so A has no gradient before B has moved.
    names = b_names(context.shapes) if round % 2 else a_names(context.shapes)
    trained = _only(context, names)
    return RoundPlan(down=dict(context.shapes), up=trained, train=frozenset(trained))


def _fedsa_lora(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    a, b = _only(context, a_names(shapes)), _only(context, b_names(shapes))
    last = round == context.rounds
    return RoundPlan(down=a, up=shapes if last else a, train=frozenset(shapes), keep=b)


def _only(context: StrategyContext, names: Iterable[str]) -> Shapes:
    return {name: context.shapes[name] for name in names}


def _build(plan: PlanRule) -> Callable[[FedAvgParams, StrategyContext], Strategy]:
    def build(params: FedAvgParams, context: StrategyContext) -> Strategy:
        from harness_standard.aggregation.partial_mean import PartialMean

        return PartialMean(partial(plan, params, context), sampling(context))

    return build


FFA_LORA = StrategyMethod(
    name="ffa-lora",
    params=FedAvgParams,
    build=_build(_ffa_lora),
    round_plan=_ffa_lora,
    supports=supports("ffa-lora"),
    formula="B' = sum_i (n_i / n) B_i;  A stays",
    paper="https://arxiv.org/abs/2403.12313",
)
ROLORA = StrategyMethod(
    name="rolora",
    params=FedAvgParams,
    build=_build(_rolora),
    round_plan=_rolora,
    supports=supports("rolora"),
    formula="odd rounds B' = sum_i (n_i / n) B_i, even rounds A' = sum_i (n_i / n) A_i",
    paper="https://arxiv.org/abs/2502.01755",
)
FEDSA_LORA = StrategyMethod(
    name="fedsa-lora",
    params=FedAvgParams,
    build=_build(_fedsa_lora),
    round_plan=_fedsa_lora,
    supports=supports("fedsa-lora"),
    formula="A' = sum_i (n_i / n) A_i;  B_i stays with client i, but for the last round's mean",
    paper="https://arxiv.org/abs/2410.01463",
)
