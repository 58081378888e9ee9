"""FLoRA: stack the clients' factors instead of averaging them; the sum of products is exact.

dW = sum_i (n_i / n) B_i A_i = [p_1 B_1, ..., p_K B_K] [A_1; ...; A_K],  p_i = n_i / n
https://arxiv.org/abs/2409.05976

In the paper every client merges the stack into its base and starts new factors. Here the base stays
as it is, in 4 bits: the stack of all rounds goes down and is added to each layer's output, new
factors of rank r come up, and the stack is the adapter. So its rank, and with it what goes down,
grows by (clients x r) a round; the forecast counts it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.components import HISTORY, RoundPlan, Shapes, StrategyContext, StrategyMethod
from harness_standard.factors import A_SUFFIX, scaling
from harness_standard.strategies.fedavg import FedAvgParams, sampling
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


def _plan(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    fresh = dict(context.shapes)
    before = _stacked(context, round - 1) if round > 1 else {}
    return RoundPlan(
        down={HISTORY + name: shape for name, shape in before.items()},
        up=fresh,
        train=frozenset(fresh),
        adapter=_stacked(context, round),
    )


def _stacked(context: StrategyContext, rounds: int) -> Shapes:
    """The adapter after so many rounds: A (t K r, in), B (out, t K r)."""
    count = rounds * context.clients_per_round
    grown: Shapes = {}
    for name, shape in context.shapes.items():
        rank_first = name.endswith(A_SUFFIX)
        grown[name] = (
            (count * shape[0], *shape[1:]) if rank_first else (*shape[:-1], count * shape[-1])
        )
    return grown


def _build(params: FedAvgParams, context: StrategyContext) -> Strategy:
    from harness_standard.aggregation.flora import Flora

    return Flora(
        plan=partial(_plan, params, context),
        sampling=sampling(context),
        scaling=scaling(context.peft_method, context.peft_params),
    )


FLORA = StrategyMethod(
    name="flora",
    params=FedAvgParams,
    build=_build,
    round_plan=_plan,
    supports=supports("flora"),
    averages="product",
    broken_laws={"fixed-point": "each round adds what clients trained from a fresh start"},
    formula="B' = [B, p_1 B_1, ..., p_K B_K],  A' = [A; A_1; ...; A_K],  p_i = n_i / n",
    paper="https://arxiv.org/abs/2409.05976",
)
