"""FedProx: FedAvg whose clients are held near what they received.

Client loss: F_i(w) + mu/2 ||w - w_received||^2                 https://arxiv.org/abs/1812.06127

The server is Flower's FedProx, which only sends mu: without the client's term it would be FedAvg.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.components import LocalObjective, StrategyContext, StrategyMethod
from harness.document import Document
from harness_standard.strategies.fedavg import sampling
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import FedProx

MU_KEY = "proximal-mu"
"""Source: flwr 1.41 `FedProx.configure_train`."""


class FedProxParams(Document):
    """FedProx."""

    mu: float = Field(0.01, gt=0)
    """Weight of the proximal term; 0 would be FedAvg, which has its own name."""


def _build(params: FedProxParams, context: StrategyContext) -> FedProx:
    from flwr.serverapp.strategy import FedProx

    return FedProx(**sampling(context), proximal_mu=params.mu)


def _objective(params: FedProxParams) -> LocalObjective:
    def loss(parameters: Mapping[str, Any], received: Mapping[str, Any]) -> Any:
        squares = sum(((w - received[name]) ** 2).sum() for name, w in parameters.items())
        return params.mu / 2 * squares

    return LocalObjective(name="proximal", loss=loss, reads=(MU_KEY,))


FEDPROX = StrategyMethod(
    name="fedprox",
    params=FedProxParams,
    build=_build,
    local_objective=_objective,
    supports=supports("fedprox"),
    formula="w' = sum_i (n_i / n) w_i;  clients minimise F_i(w) + mu/2 ||w - w_received||^2",
    paper="https://arxiv.org/abs/1812.06127",
)
