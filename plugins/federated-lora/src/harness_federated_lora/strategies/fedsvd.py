"""FedSVD: clients train B; the server takes the mean product apart again, so that A follows.

B = sum_i p_i B_i;  U S V' = svd(B A);  A' = V_r',  B' = U_r S_r,  p_i = n_i / n
https://arxiv.org/abs/2505.12805

All clients of a round hold one A, so the mean is exact, and the product stays what it is when its
factors change. Rows of A' are orthonormal, which bounds the gradient of B. Down A and B, up B.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness_standard.factors import b_names
from harness_standard.strategies.fedavg import FedAvgParams, sampling

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness_federated_lora.support import FACTORS, PLAIN, only

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


def _plan(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    b = {name: context.shapes[name] for name in b_names(context.shapes)}
    return RoundPlan(down=dict(context.shapes), up=b, train=frozenset(b))


def _build(params: FedAvgParams, context: StrategyContext) -> Strategy:
    from harness_federated_lora.aggregation.fedsvd import FedSvd

    return FedSvd(partial(_plan, params, context), sampling(context))


FEDSVD = StrategyMethod(
    name="fedsvd",
    params=FedAvgParams,
    build=_build,
    round_plan=_plan,
    supports=only(PLAIN, FACTORS),
    averages="product",
    formula="B = sum_i p_i B_i;  U S V' = svd(B A);  A' = V_r',  B' = U_r S_r",
    paper="https://arxiv.org/abs/2505.12805",
)
