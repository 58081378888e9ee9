"""Server optimizers: the clients' mean update is a gradient for the server. Flower's, as they are.

With d = mean_i(w_i) - w weighted by examples:

FedAvgM     v' = beta v + d;  w' = w + eta v'                 https://arxiv.org/abs/1909.06335
FedAdam     m' = b1 m + (1-b1) d;  v' = b2 v + (1-b2) d^2;
            w' = w + eta_t m' / (sqrt(v') + tau)              https://arxiv.org/abs/2003.00295
FedYogi     as FedAdam with v' = v - (1-b2) d^2 sign(v - d^2) https://arxiv.org/abs/2003.00295
FedAdagrad  as FedAdam with v' = v + d^2 and b1 = 0           https://arxiv.org/abs/2003.00295
"""

from __future__ import annotations

from pydantic import Field

from harness.components import StrategyMethod
from harness.document import Document
from harness_standard.strategies.from_flower import from_flower
from harness_standard.validity import supports

OWN_STEP = {"identity": "the server takes its own step towards the clients' mean"}


class FedAvgMParams(Document):
    """Server momentum."""

    server_learning_rate: float = Field(1.0, gt=0)
    """eta."""
    server_momentum: float = Field(0.9, ge=0, lt=1)
    """beta."""


class FedOptParams(Document):
    """Adaptive server optimizers, but for FedAdagrad. Defaults are Flower's but eta."""

    eta: float = Field(0.01, gt=0)
    """Server learning rate. Flower's 0.1 is for whole networks; an adapter moves by about its
    learning rate times its steps a round, which 0.01 matches."""
    beta_1: float = Field(0.9, ge=0, lt=1)
    """Decay of the first moment."""
    beta_2: float = Field(0.99, ge=0, lt=1)
    """Decay of the second moment."""
    tau: float = Field(1e-3, gt=0)
    """Added to the root of the second moment."""


class FedAdagradParams(Document):
    """FedAdagrad has no betas."""

    eta: float = Field(0.01, gt=0)
    """Server learning rate; see FedOptParams."""
    tau: float = Field(1e-3, gt=0)
    """Added to the root of the second moment."""


FEDAVGM = StrategyMethod(
    name="fedavgm",
    params=FedAvgMParams,
    build=from_flower("FedAvgM"),
    supports=supports("fedavgm"),
    broken_laws=OWN_STEP,
    formula="v' = beta v + mean_i(w_i) - w;  w' = w + eta v'",
    paper="https://arxiv.org/abs/1909.06335",
)
FEDADAM = StrategyMethod(
    name="fedadam",
    params=FedOptParams,
    build=from_flower("FedAdam"),
    supports=supports("fedadam"),
    broken_laws=OWN_STEP,
    formula="w' = w + eta_t m' / (sqrt(v') + tau);  m', v': Adam's moments of mean_i(w_i) - w",
    paper="https://arxiv.org/abs/2003.00295",
)
FEDYOGI = StrategyMethod(
    name="fedyogi",
    params=FedOptParams,
    build=from_flower("FedYogi"),
    supports=supports("fedyogi"),
    broken_laws=OWN_STEP,
    formula="as FedAdam with v' = v - (1 - b2) d^2 sign(v - d^2)",
    paper="https://arxiv.org/abs/2003.00295",
)
FEDADAGRAD = StrategyMethod(
    name="fedadagrad",
    params=FedAdagradParams,
    build=from_flower("FedAdagrad"),
    supports=supports("fedadagrad"),
    broken_laws=OWN_STEP,
    formula="as FedAdam with v' = v + d^2 and no momentum",
    paper="https://arxiv.org/abs/2003.00295",
)
