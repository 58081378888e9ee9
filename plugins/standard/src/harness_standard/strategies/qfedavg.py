"""q-FedAvg: clients with a higher loss weigh more. Flower's, as it is.

With F_i the loss and L = 1 / client_learning_rate:
D_i = F_i^q L (w - w_i);  h_i = q F_i^(q-1) ||L (w - w_i)||^2 + L F_i^q
w' = w - sum_i D_i / sum_i h_i                                  https://arxiv.org/abs/1905.10497
"""

from __future__ import annotations

from pydantic import Field

from harness.components import StrategyMethod
from harness.document import Document
from harness_standard.strategies.from_flower import from_flower
from harness_standard.validity import supports

LOSS_KEY = "train-loss"
"""Metric that the harness's clients report. Source: `harness.federation.wire.names.LOSS`."""


class QFedAvgParams(Document):
    """q-FedAvg."""

    q: float = Field(0.1, ge=0)
    """0 weighs all clients alike; larger values favour those with a higher loss."""
    client_learning_rate: float = Field(1.0, gt=0)
    """1 / L of the formula. Large beside the clients' own rate, the step is the clients' mean
    weighted by F_i^q; at their own rate ||L (w - w_i)||^2 makes it small."""


QFEDAVG = StrategyMethod(
    name="qfedavg",
    params=QFedAvgParams,
    build=from_flower("QFedAvg", train_loss_key=LOSS_KEY),
    supports=supports("qfedavg"),
    broken_laws={
        "identity": "the step is divided by an estimate of the curvature",
        "examples": "clients weigh by their loss",
    },
    formula="w' = w - sum_i F_i^q L (w - w_i) / sum_i (q F_i^(q-1) ||L (w - w_i)||^2 + L F_i^q)",
    paper="https://arxiv.org/abs/1905.10497",
)
