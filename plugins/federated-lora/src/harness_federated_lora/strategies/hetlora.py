"""HetLoRA: clients of different ranks; a client weighs by the length of its update.

Down: A and B cut to the client's rank r_i. Up: A_i and B_i, filled with zeros to the rank r.
A' = sum_i w_i A_i;  B' = sum_i w_i B_i,  w_i = ||B_i A_i|| / sum_j ||B_j A_j||, layer by layer
https://arxiv.org/abs/2401.06432

A row of A and the column of B that belongs to it have no gradient when both are zero, so a client
that is sent zeros beyond its rank trains a LoRA of that rank. The zeros travel: a message is as
long as the largest client's. The paper's clients may also give up ranks that they do not need
(self-pruning, by a penalty of their own); here a client's rank is the recipe's and stays.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from harness_standard.strategies.fedavg import sampling
from pydantic import Field

from harness.components import RoundPlan, StrategyContext, StrategyMethod
from harness.document import Document
from harness_federated_lora.support import FACTORS, PLAIN, only

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


class HetLoraParams(Document):
    """HetLoRA."""

    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((1.0, 0.5, 0.25), min_length=1)
    """Ranks of the clients as shares of the recipe's `peft.r`: the first is that of partition 0,
    the next that of partition 1, and so on, over and over."""


def ranks(params: HetLoraParams, rank: int) -> tuple[int, ...]:
    """Return the ranks that the shares stand for: 8, 4 and 2 of rank 8."""
    return tuple(max(1, round(share * rank)) for share in params.shares)


def _plan(params: HetLoraParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(down=shapes, up=shapes, train=frozenset(shapes))


def _build(params: HetLoraParams, context: StrategyContext) -> Strategy:
    from harness_federated_lora.aggregation.hetlora import HetLora

    rank = int(context.peft_params["r"])
    return HetLora(partial(_plan, params, context), sampling(context), ranks(params, rank))


HETLORA = StrategyMethod(
    name="hetlora",
    params=HetLoraParams,
    build=_build,
    supports=only(PLAIN, FACTORS),
    broken_laws={
        "fixed-point": "a client of a lower rank returns zeros beyond it",
        "identity": "a client of a lower rank does not start from the whole adapter",
        "examples": "clients weigh by the length of their updates",
    },
    formula="A', B' = sums of w_i A_i, w_i B_i,  w_i = ||B_i A_i|| / sum_j ||B_j A_j||;"
    " clients of rank r_i",
    paper="https://arxiv.org/abs/2401.06432",
)
