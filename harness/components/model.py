"""A base model, with the architecture facts that a forecast needs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness.document import Document
from harness.errors import PluginError, did_you_mean
from harness.recipe import NAME


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

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError(
                f"hidden {self.hidden}, heads {self.heads}, kv_heads {self.kv_heads}: hidden is a"
                " multiple of heads, and heads of kv_heads"
            )
        return self

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    def linears(self) -> tuple[Linear, ...]:
        """Return every linear layer of the decoder blocks, in module order."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        shapes = (
            ("self_attn.q_proj", self.hidden, queries),
            ("self_attn.k_proj", self.hidden, keys),
            ("self_attn.v_proj", self.hidden, keys),
            ("self_attn.o_proj", queries, self.hidden),
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
