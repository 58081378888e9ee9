"""A plugin for the tests: a random two-layer Llama, and strategies that keep state.

With `HARNESS_TINY_FAULTS` set to a folder, clients fail as the files there say; see `faults`.
"""

from __future__ import annotations

import os
from typing import Any

from harness import hookimpl
from harness.components import ModelSpec, StrategyContext, StrategyMethod
from harness.document import Document
from harness.recipe import Choice, Recipe, TrainSpec

MODEL = ModelSpec(
    name="tiny",
    hub_id="tests/tiny",
    layers=2,
    hidden=32,
    intermediate=64,
    heads=2,
    kv_heads=1,
    vocab=512,
    quantization="none",
    dtype="float32",
)

TRAIN = TrainSpec(
    rounds=3,
    max_steps=2,
    batch_size=4,
    seq_length=256,
    learning_rate_max=5e-3,
    learning_rate_min=1e-4,
    save_every_rounds=2,
    data_order="per-round",
)


class MomentumParams(Document):
    """Of Flower's FedAvgM."""

    momentum: float = 0.9


def build_momentum(params: MomentumParams, context: StrategyContext) -> Any:
    """Flower's FedAvgM: its momentum is lost unless a checkpoint keeps it."""
    from flwr.serverapp.strategy import FedAvgM

    return FedAvgM(
        fraction_train=context.fraction,
        fraction_evaluate=0.0,
        server_learning_rate=0.5,
        server_momentum=params.momentum,
    )


class NoParams(Document):
    """No parameters."""


def build_own_start(params: NoParams, context: StrategyContext) -> Any:
    """A strategy whose rounds the harness could not audit."""
    from flwr.serverapp.strategy import FedAvg

    class OwnStart(FedAvg):
        def start(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("must not be called")

    return OwnStart(fraction_train=context.fraction)


def build_lossy(params: NoParams, context: StrategyContext) -> Any:
    """A strategy that keeps what no checkpoint can hold."""
    from flwr.serverapp.strategy import FedAvg

    strategy = FedAvg(fraction_train=context.fraction, fraction_evaluate=0.0)
    strategy.history = (item for item in ())
    return strategy


@hookimpl
def harness_models() -> list[ModelSpec]:
    """One model."""
    return [MODEL]


@hookimpl
def harness_strategies() -> list[StrategyMethod]:
    """Strategies that a test of resuming needs."""
    return [
        StrategyMethod("momentum", MomentumParams, build_momentum),
        StrategyMethod("own-start", NoParams, build_own_start),
        StrategyMethod("lossy", NoParams, build_lossy),
    ]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """LoRA with FedAvg, and the same with momentum."""
    lora = Choice(name="standard/lora", params={"r": 4, "target_modules": ["q_proj", "v_proj"]})

    def recipe(name: str, strategy: str, default: bool = False) -> Recipe:
        return Recipe(
            name=name,
            title=f"Test recipe {name}",
            model="tiny",
            peft=lora,
            strategy=Choice(name=strategy),
            train=TRAIN,
            default=default,
        )

    return [
        recipe("fedavg", "standard/fedavg", default=True),
        recipe("momentum", "momentum"),
        recipe("adam", "standard/fedadam"),
        recipe("fedsa", "standard/fedsa-lora"),
        recipe("own-start", "own-start"),
        recipe("lossy", "lossy"),
    ]


if os.environ.get("HARNESS_TINY_FAULTS"):
    from harness_tiny.faults import install

    install(os.environ["HARNESS_TINY_FAULTS"])
