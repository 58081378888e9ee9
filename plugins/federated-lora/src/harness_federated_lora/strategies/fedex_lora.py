"""FedEx-LoRA: factors are averaged, and what that leaves out goes beside the base.

A' = sum_i p_i A_i;  B' = sum_i p_i B_i;  W0' = W0 + s (sum_i p_i B_i A_i - B' A'),  p_i = n_i / n
https://arxiv.org/abs/2410.09432

The residual has rank (K + 1) r: [p_1 B_1, ..., p_K B_K, -B'] [A_1; ...; A_K; A']. It is never
written into the base, which is held in 4 bits where it would be lost in rounding, and which the
official evaluation takes as it was: the residuals of all rounds go down as factors, are added to
each layer's output, and stand in the adapter. So its rank grows by (K + 1) r a round.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness_standard.factors import A_SUFFIX, scaling
from harness_standard.strategies.fedavg import FedAvgParams, sampling

from harness.components import HISTORY, RoundPlan, Shapes, StrategyContext, StrategyMethod
from harness_federated_lora.support import FACTORS, only

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


def _plan(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    fresh = dict(context.shapes)
    parts = context.clients_per_round + 1
    before = grown(fresh, (round - 1) * parts) if round > 1 else {}
    return RoundPlan(
        down=fresh | {HISTORY + name: shape for name, shape in before.items()},
        up=fresh,
        train=frozenset(fresh),
        adapter=grown(fresh, 1 + round * parts),
    )


def grown(shapes: Shapes, times: int) -> Shapes:
    """Return LoRA's factors of `times` their rank: A (times r, in), B (out, times r)."""
    return {
        name: (times * shape[0], *shape[1:])
        if name.endswith(A_SUFFIX)
        else (*shape[:-1], times * shape[-1])
        for name, shape in shapes.items()
    }


def _build(params: FedAvgParams, context: StrategyContext) -> Strategy:
    from harness_federated_lora.aggregation.fedex_lora import FedExLora

    return FedExLora(
        plan=partial(_plan, params, context),
        sampling=sampling(context),
        rank=int(context.peft_params["r"]),
        scaling=scaling(context.peft_method, context.peft_params),
    )


FEDEX_LORA = StrategyMethod(
    name="fedex-lora",
    params=FedAvgParams,
    build=_build,
    round_plan=_plan,
    supports=only(("standard/lora",), FACTORS + ", and its rank grows by a whole number of times"),
    averages="product",
    formula="A', B' = means of A_i, B_i;  W0' = W0 + s (sum_i p_i B_i A_i - B' A')",
    paper="https://arxiv.org/abs/2410.09432",
)
