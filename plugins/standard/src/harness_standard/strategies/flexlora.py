"""FlexLoRA: average the products B A, not the factors; cut the mean back to the rank by an SVD.

W = sum_i (n_i / n) s B_i A_i;  U S V' = svd(W);  B' = U_r S_r / s,  A' = V_r'
https://arxiv.org/abs/2402.11505

Down: A and B. Up: A and B. What the cut loses is the tail of W's spectrum. B takes the singular
values, so that rows of A have the length that LoRA starts with and B is as small as the update.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness_standard.factors import scaling
from harness_standard.strategies.fedavg import FedAvgParams, sampling
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


def _plan(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(down=shapes, up=shapes, train=frozenset(shapes))


def _build(params: FedAvgParams, context: StrategyContext) -> Strategy:
    from harness_standard.aggregation.flexlora import FlexLora

    return FlexLora(
        plan=partial(_plan, params, context),
        sampling=sampling(context),
        rank=int(context.peft_params["r"]),
        scaling=scaling(context.peft_method, context.peft_params),
    )


FLEXLORA = StrategyMethod(
    name="flexlora",
    params=FedAvgParams,
    build=_build,
    supports=supports("flexlora"),
    averages="product",
    formula="B' A' = best rank-r of sum_i (n_i / n) B_i A_i, by SVD",
    paper="https://arxiv.org/abs/2402.11505",
)
