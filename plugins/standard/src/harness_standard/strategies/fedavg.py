"""FedAvg: the mean of the clients' tensors, weighted by their examples. Flower's, as it is.

w' = sum_i (n_i / n) w_i        https://arxiv.org/abs/1602.05629
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.components import StrategyContext, StrategyMethod
from harness.document import Document
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import FedAvg


class FedAvgParams(Document):
    """FedAvg has no parameters: rounds and fraction are the recipe's `train`."""


def sampling(context: StrategyContext) -> dict[str, Any]:
    """Return the arguments by which every Flower strategy samples as the challenge says."""
    return {
        "fraction_train": context.fraction,
        "fraction_evaluate": 0.0,
        "min_train_nodes": context.clients_per_round,
        "min_available_nodes": context.num_supernodes,
    }


def _build(params: FedAvgParams, context: StrategyContext) -> FedAvg:
    from flwr.serverapp.strategy import FedAvg

    return FedAvg(**sampling(context))


FEDAVG = StrategyMethod(
    name="fedavg",
    params=FedAvgParams,
    build=_build,
    supports=supports("fedavg"),
    formula="w' = sum_i (n_i / n) w_i",
    paper="https://arxiv.org/abs/1602.05629",
)
