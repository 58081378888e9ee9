"""LoRA-FAIR: the mean of B is corrected, so that its product with that of A is the mean product.

A' = sum_i p_i A_i;  B' = sum_i p_i B_i + D,
D = argmin ||sum_i p_i B_i A_i - (sum_i p_i B_i + D) A'||^2 + penalty ||D||^2,  p_i = n_i / n
https://arxiv.org/abs/2411.14961

The paper takes a measure of likeness and finds D by gradient descent on the server; with the
squared distance there is a closed form: D = (W - B A') A'^T (A' A'^T + penalty I)^-1, W being the
mean product. What of W lies outside of the rows of A' cannot be corrected. Down and up A and B.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness_standard.strategies.fedavg import sampling
from pydantic import Field

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness.document import Document
from harness_federated_lora.support import FACTORS, PLAIN, only

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


class LoraFairParams(Document):
    """LoRA-FAIR."""

    penalty: float = Field(0.01, gt=0)
    """Weight of ||D||^2; larger keeps B closer to the mean. The default is our choice, small
    beside A A' so that little of the correction is given up."""


def _plan(params: LoraFairParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(down=shapes, up=shapes, train=frozenset(shapes))


def _build(params: LoraFairParams, context: StrategyContext) -> Strategy:
    from harness_federated_lora.aggregation.lora_fair import LoraFair

    return LoraFair(partial(_plan, params, context), sampling(context), params.penalty)


LORA_FAIR = StrategyMethod(
    name="lora-fair",
    params=LoraFairParams,
    build=_build,
    supports=only(PLAIN, FACTORS),
    formula="A' = mean of A_i;  B' = mean of B_i + D,  D = argmin ||mean of B_i A_i - B' A'||^2"
    " + penalty ||D||^2",
    paper="https://arxiv.org/abs/2411.14961",
)
