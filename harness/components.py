"""Components: what plugins contribute. ModelSpec is a document; the others hold code.

A component that holds code never leaves its process: a run names it, and every process that needs
it loads it again by that name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from harness.document import Document
from harness.errors import PluginError, did_you_mean
from harness.recipe import NAME, TrainSpec

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy
    from peft import PeftConfig

Shapes = dict[str, tuple[int, ...]]
"""Tensor name as in peft's state dict -> shape."""


class Linear(Document):
    """One linear layer of a model."""

    name: str
    """Module path inside the model: `model.layers.0.mlp.gate_proj`."""
    in_features: int
    out_features: int


class ModelSpec(Document):
    """A base model, with the architecture facts that a forecast needs."""

    name: str = Field(pattern=NAME)
    hub_id: str
    revision: str = "main"
    """Hub commit or branch; what was really used is on the record by digest."""
    architecture: Literal["llama"] = "llama"
    """Module names and shapes: Llama, Mistral, SmolLM and others share them."""
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    intermediate: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    vocab: int = Field(gt=0)
    tied_embeddings: bool = True
    quantization: Literal["fp4", "nf4", "int8", "none"] = "fp4"
    """Of the frozen base in training; evaluation's is the challenge's. Source: transformers
    `BitsAndBytesConfig(load_in_4bit=True)` is fp4."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Compute type in training; float32 is used, and recorded, where the device has no bfloat16."""
    trust_remote_code: bool = False
    licence: str = ""

    def linears(self) -> tuple[Linear, ...]:
        """Return every linear layer of the decoder blocks, in module order."""
        head = self.hidden // self.heads
        shapes = (
            ("self_attn.q_proj", self.hidden, self.heads * head),
            ("self_attn.k_proj", self.hidden, self.kv_heads * head),
            ("self_attn.v_proj", self.hidden, self.kv_heads * head),
            ("self_attn.o_proj", self.heads * head, self.hidden),
            ("mlp.gate_proj", self.hidden, self.intermediate),
            ("mlp.up_proj", self.hidden, self.intermediate),
            ("mlp.down_proj", self.intermediate, self.hidden),
        )
        return tuple(
            Linear(name=f"model.layers.{layer}.{name}", in_features=n_in, out_features=n_out)
            for layer in range(self.layers)
            for name, n_in, n_out in shapes
        )

    def linear_parameters(self) -> int:
        """Weights in the decoder blocks' linear layers: what quantization shrinks."""
        return sum(item.in_features * item.out_features for item in self.linears())

    def parameters(self) -> int:
        """All weights: linears, embeddings (once when tied) and RMS norms."""
        embeddings = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        return self.linear_parameters() + embeddings + (2 * self.layers + 1) * self.hidden


@dataclass(frozen=True, slots=True)
class PeftMethod:
    """A way to make a small set of trainable weights: LoRA, DoRA ..."""

    name: str
    params: type[Document]
    """Document of the parameters; a recipe's `peft.params` are validated by it."""
    configure: Callable[[ModelSpec, Any], PeftConfig]
    """(model, params) -> the peft configuration; imports peft inside."""
    shapes: Callable[[ModelSpec, Any], Shapes]
    """(model, params) -> the adapter's tensors, in state-dict order, without weights or torch."""
    frozen: Callable[[str], bool] = lambda name: False
    """Whether a tensor of the adapter stays at its seeded start: it is saved, but neither trained
    nor sent."""
    paper: str = ""

    def travelling(self, model: ModelSpec, params: Any) -> Shapes:
        """Return the tensors of one message: the adapter's without the frozen ones."""
        shapes = self.shapes(model, params)
        return {name: shape for name, shape in shapes.items() if not self.frozen(name)}


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


def select_linears(model: ModelSpec, target_modules: tuple[str, ...]) -> tuple[Linear, ...]:
    """Return the linear layers that peft would adapt for `target_modules`.

    A layer matches when its path is a target or ends with `.target`, as in peft's suffix rule.

    Raises:
        PluginError: a target matches no layer; it is named.
    """
    linears = model.linears()
    suffixes = {item.name.rsplit(".", 1)[-1] for item in linears}
    for target in target_modules:
        if not any(_matches(item.name, target) for item in linears):
            raise PluginError(
                f"target module {target!r} matches no linear layer of {model.name};"
                f" {did_you_mean(target, suffixes)}"
            )
    return tuple(
        item for item in linears if any(_matches(item.name, target) for target in target_modules)
    )


def _matches(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)
