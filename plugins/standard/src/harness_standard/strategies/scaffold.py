"""SCAFFOLD: control variates take the clients' drift out of their steps.

Client: y <- y - eta (g_i(y) - c_i + c), K steps;  c_i' = c_i - c + (x - y) / (K eta)
Server: x' = x + eta_g mean(y_i - x);  c' = c + |S|/N mean(c_i' - c_i)
https://arxiv.org/abs/1910.06378, option II

Down: x and c. Up: y_i and c_i' - c_i. Kept by client i: c_i. The correction enters as a loss term
whose gradient is c - c_i.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.components import (
    LocalObjective,
    LocalRound,
    RoundPlan,
    StrategyContext,
    StrategyMethod,
)
from harness.document import Document
from harness.recipe import TrainSpec
from harness_standard.control_variates import CLIENT_CONTROL, CONTROL, CONTROL_DELTA
from harness_standard.strategies.fedavg import sampling
from harness_standard.validity import supports

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


class ScaffoldParams(Document):
    """SCAFFOLD."""

    server_learning_rate: float = Field(1.0, gt=0)
    """eta_g."""


def _plan(params: ScaffoldParams, context: StrategyContext, round: int) -> RoundPlan:
    shapes = dict(context.shapes)
    return RoundPlan(
        down=shapes | {CONTROL + name: shape for name, shape in shapes.items()},
        up=shapes | {CONTROL_DELTA + name: shape for name, shape in shapes.items()},
        train=frozenset(shapes),
        keep={CLIENT_CONTROL + name: shape for name, shape in shapes.items()},
    )


def _build(params: ScaffoldParams, context: StrategyContext) -> Strategy:
    from harness_standard.aggregation.scaffold import Scaffold

    return Scaffold(
        plan=partial(_plan, params, context),
        sampling=sampling(context),
        shapes=context.shapes,
        num_supernodes=context.num_supernodes,
        server_learning_rate=params.server_learning_rate,
    )


def _objective(params: ScaffoldParams) -> LocalObjective:
    def loss(parameters: Mapping[str, Any], received: Mapping[str, Any]) -> Any:
        return sum(
            ((received[CONTROL + name] - received[CLIENT_CONTROL + name]) * w).sum()
            for name, w in parameters.items()
        )

    def finish(done: LocalRound) -> dict[str, Any]:
        arrays: dict[str, Any] = {}
        for name, y in done.trained.items():
            if CONTROL + name not in done.received:
                continue  # a tensor that does not travel
            old, server = done.received[CLIENT_CONTROL + name], done.received[CONTROL + name]
            drift = (done.received[name] - y) / (done.steps * done.learning_rate)
            new = (old - server + drift).astype(y.dtype)
            arrays[CLIENT_CONTROL + name] = new
            arrays[CONTROL_DELTA + name] = new - old
        return arrays

    return LocalObjective(name="scaffold", loss=loss, finish=finish)


def _plain_steps(params: ScaffoldParams, train: TrainSpec) -> str | None:
    if train.optimizer != "sgd" or train.weight_decay:
        return (
            f"optimizer {train.optimizer} with weight_decay {train.weight_decay}: its control"
            " variates are gradients only when a step is eta times the gradient; set"
            " train.optimizer=sgd and train.weight_decay=0"
        )
    if train.step_schedule != "constant" or train.warmup_steps:
        return (
            "its control variates divide by one learning rate for all steps of a round; set"
            " train.step_schedule=constant and train.warmup_steps=0"
        )
    return None


SCAFFOLD = StrategyMethod(
    name="scaffold",
    params=ScaffoldParams,
    build=_build,
    local_objective=_objective,
    round_plan=_plan,
    supports=supports("scaffold"),
    supports_training=_plain_steps,
    broken_laws={
        "identity": "the server's learning rate scales the step",
        "examples": "the paper's means are uniform over clients",
    },
    formula="x' = x + eta_g mean(y_i - x);  c' = c + |S|/N mean(c_i' - c_i)",
    paper="https://arxiv.org/abs/1910.06378",
)
