"""Federated PiSSA and OLoRA: the adapter starts from a part of the base, which is taken out again.

h = W x + s (B A - B_0 A_0) x;  A' = sum_i p_i A_i;  B' = sum_i p_i B_i,  p_i = n_i / n
PiSSA https://arxiv.org/abs/2404.02948    OLoRA https://arxiv.org/abs/2406.01775

peft takes s B_0 A_0, the start, out of the base's weights. Here the base stays as it is, since the
official evaluation takes it so: the start goes down beside the factors and is taken off each
layer's output. The adapter is what peft's own conversion makes of such a one, [B, -B_0] [A; A_0]:
a plain LoRA of twice the rank for the base as it was.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness_standard.factors import scaling
from harness_standard.strategies.fedavg import FedAvgParams, sampling

from harness.components import HISTORY, RoundPlan, StrategyContext, StrategyMethod
from harness_federated_lora.strategies.fedex_lora import grown
from harness_federated_lora.support import REBASED as METHODS
from harness_federated_lora.support import only

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


def _plan(params: FedAvgParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(
        down=shapes | {HISTORY + name: shape for name, shape in shapes.items()},
        up=shapes,
        train=frozenset(shapes),
        adapter=grown(shapes, 2),
    )


def _build(params: FedAvgParams, context: StrategyContext) -> Strategy:
    from harness_federated_lora.aggregation.rebased import Rebased

    return Rebased(
        plan=partial(_plan, params, context),
        sampling=sampling(context),
        rank=int(context.peft_params["r"]),
        scaling=scaling(context.peft_method, context.peft_params),
    )


REBASED = StrategyMethod(
    name="rebased",
    params=FedAvgParams,
    build=_build,
    round_plan=_plan,
    supports=only(METHODS, "it averages methods that start from a part of the base"),
    broken_laws={
        "fixed-point": "the start, which is no part of the update, is taken out of the product",
        "identity": "the start, which is no part of the update, is taken out of the product",
    },
    formula="A', B' = means of A_i, B_i;  the adapter is [B', -B_0] [A'; A_0]",
    paper="https://arxiv.org/abs/2404.02948",
)
