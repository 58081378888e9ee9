"""FedAvg with central differential privacy, fixed clipping. Flower's wrappers, as they are.

d_i = (w_i - w) min(1, C / ||w_i - w||)
w' = w + sum_i (n_i / n) d_i + N(0, (z C / K)^2)                https://arxiv.org/abs/1710.06963

C: clipping norm over the whole update; z: noise multiplier; K: clients of a round. `dp-server-side`
clips on the server, `dp-client-side` on the client. The harness seeds the noise from the run's
seed, so that a run repeats itself: whoever knows the seed can take the noise out again, so a model
that must keep secrets is released without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.components import LocalObjective, LocalRound, StrategyContext, StrategyMethod
from harness.document import Document
from harness_standard.strategies.fedavg import sampling
from harness_standard.strategies.from_flower import in_float32
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

NORM_KEY = "clipping_norm"
"""Source: flwr 1.41 `KEY_CLIPPING_NORM`."""
NOISE = {
    "fixed-point": "noise is added to every aggregate",
    "identity": "updates are clipped and noise is added",
    "examples": "updates are clipped and noise is added",
}


class DpParams(Document):
    """Fixed clipping."""

    noise_multiplier: float = Field(0.1, ge=0)
    """z; 1 or more is recommended for strong privacy, which so few clients hardly survive."""
    clipping_norm: float = Field(1.0, gt=0)
    """C."""


def _build(flower_name: str) -> Callable[[DpParams, StrategyContext], Strategy]:
    def build(params: DpParams, context: StrategyContext) -> Strategy:
        import flwr.serverapp.strategy as flower

        kind = in_float32(getattr(flower, flower_name))
        strategy: Strategy = kind(
            flower.FedAvg(**sampling(context)),
            noise_multiplier=params.noise_multiplier,
            clipping_norm=params.clipping_norm,
            num_sampled_clients=context.clients_per_round,
        )
        return strategy

    return build


def _clip(params: DpParams) -> LocalObjective:
    def finish(done: LocalRound) -> dict[str, Any]:
        import numpy as np

        norm = float(done.config[NORM_KEY])
        moved = {name: w - done.received[name] for name, w in done.trained.items()}
        length = np.sqrt(sum(float(np.sum(np.square(d, dtype=np.float64))) for d in moved.values()))
        scale = np.float32(min(1.0, norm / length)) if length > 0 else np.float32(1)
        return {name: done.received[name] + scale * d for name, d in moved.items()}

    return LocalObjective(name="fixed-clipping", finish=finish, reads=(NORM_KEY,))


DP_SERVER_SIDE = StrategyMethod(
    name="dp-server-side",
    params=DpParams,
    build=_build("DifferentialPrivacyServerSideFixedClipping"),
    supports=supports("dp-server-side"),
    broken_laws=NOISE,
    formula="w' = w + sum_i (n_i / n) clip_C(w_i - w) + N(0, (z C / K)^2); the server clips",
    paper="https://arxiv.org/abs/1710.06963",
)
DP_CLIENT_SIDE = StrategyMethod(
    name="dp-client-side",
    params=DpParams,
    build=_build("DifferentialPrivacyClientSideFixedClipping"),
    local_objective=_clip,
    supports=supports("dp-client-side"),
    broken_laws=NOISE,
    formula="the same; the client clips, as the server's message says",
    paper="https://arxiv.org/abs/1710.06963",
)
