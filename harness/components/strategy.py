"""A strategy: Flower's server part, what a round moves, and the client's part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.components.peft_method import Shapes
from harness.document import Document
from harness.recipe import TrainSpec

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What a strategy may know of its run."""

    num_supernodes: int
    clients_per_round: int
    fraction: float
    rounds: int
    seed: int
    shapes: Mapping[str, tuple[int, ...]]
    """Tensors of the adapter that travel."""
    peft_method: str
    """Qualified name, `standard/lora`."""
    peft_params: Mapping[str, Any] = field(default_factory=dict)


HISTORY = "history/"
"""Prefix of arrays of a strategy that clients add to the frozen base while they train:
`history/<layer>.lora_A.weight` (R, in) and `.lora_B.weight` (out, R), scale included."""


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """What one round moves and trains, by tensor name.

    A client starts a tensor of the adapter from what was sent, else from what it kept, else from
    the seeded initial adapter. Names that are not the adapter's are the strategy's own, control
    variates say; one that was kept by nobody yet starts at zero.
    """

    down: Shapes
    """Sent to every client of the round."""
    up: Shapes
    """Returned by every client of the round."""
    train: frozenset[str]
    """Tensors of the adapter that the optimizer changes; the others stay as they are."""
    keep: Shapes = field(default_factory=dict)
    """What a client keeps for itself until its next round, and nobody sends."""
    adapter: Shapes | None = None
    """The whole adapter after the round, where its ranks grow; None: as it was."""


@dataclass(frozen=True, slots=True)
class StrategyMethod:
    """A way to combine clients' updates: FedAvg ..."""

    name: str
    params: type[Document]
    build: Callable[[Any, StrategyContext], Strategy]
    """(params, context) -> a fresh Flower strategy; imports flwr inside."""
    local_objective: Callable[[Any], LocalObjective] | None = None
    """(params) -> the client's part (FedProx's loss term), or None."""
    supports: Callable[[str, Any], str | None] = lambda peft_method, peft_params: None
    """(qualified PEFT method, its params) -> why this strategy is not valid for it, or None."""
    supports_training: Callable[[Any, TrainSpec], str | None] = lambda params, train: None
    """(params, the recipe's training) -> why this strategy is not valid for it, or None."""
    supports_clients: Callable[[Any, int], str | None] = lambda params, clients: None
    """(params, clients of a round) -> why this strategy is not valid for so many, or None."""
    round_plan: Callable[[Any, StrategyContext, int], RoundPlan] | None = None
    """(params, context, round from 1) -> what that round moves; None: the whole adapter travels
    both ways and is trained."""
    averages: Literal["tensor", "product"] = "tensor"
    """What is averaged: each tensor by itself, or the product B A of a layer's factors."""
    broken_laws: Mapping[str, str] = field(default_factory=dict)
    """Law of `harness.testing.laws` that this aggregation does not keep -> why."""
    formula: str = ""
    """The aggregation in one line, for the documents."""
    paper: str = ""

    def plan_of(self, params: Any, context: StrategyContext, round: int) -> RoundPlan:
        """Return what `round` (from 1) moves: the declared plan, or the whole adapter."""
        if self.round_plan is not None:
            return self.round_plan(params, context, round)
        shapes = dict(context.shapes)
        return RoundPlan(down=shapes, up=shapes, train=frozenset(shapes))


@dataclass(frozen=True, slots=True)
class LocalRound:
    """What a client holds when it has trained. Arrays are float32 numpy arrays by tensor name."""

    received: Mapping[str, Any]
    """The adapter before training, and the strategy's own arrays as sent or kept."""
    trained: Mapping[str, Any]
    """The adapter after training."""
    steps: int
    """Optimizer steps that were taken."""
    learning_rate: float
    """Of this round."""
    config: Mapping[str, Any]
    """What the strategy's message carried."""


@dataclass(frozen=True, slots=True)
class LocalObjective:
    """A strategy's part on the client: a loss term, work after training, or both."""

    name: str
    loss: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    """(trainable parameters, `received` of `LocalRound` as tensors), by name -> scalar torch
    tensor, added to the loss of every step."""
    finish: Callable[[LocalRound], Mapping[str, Any]] | None = None
    """Arrays to return or keep in place of, or beside, the trained ones, by name."""
    reads: tuple[str, ...] = ()
    """Keys of the strategy's message config that this part acts on. A strategy that sends a key
    which nothing reads is refused: a FedProx without its term would be FedAvg."""
