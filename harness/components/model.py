"""A base model, with the architecture facts that a forecast needs."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from harness.components.families import FAMILIES, Bias, Family, Size
from harness.components.layout import Layout
from harness.document import Document
from harness.errors import PluginError
from harness.recipe import NAME


class Linear(Document):
    """One linear layer of a model."""

    name: str
    """Module path inside the model: `model.layers.0.mlp.gate_proj`."""
    in_features: int
    out_features: int
    bias: bool = False

    def parameters(self) -> int:
        """Weights and, where it has one, the bias."""
        return (self.in_features + self.bias) * self.out_features


def _unsaid(value: Any) -> bool:
    """Whether a field is left out of the written form: specs of before it was there keep theirs."""
    return value is None or value is False


class ModelSpec(Document):
    """A base model, with the architecture facts that a forecast needs."""

    name: str = Field(pattern=NAME)
    hub_id: str
    revision: str = "main"
    """Hub commit or branch; what was really used is on the record by digest."""
    layout: Layout | None = Field(None, exclude_if=_unsaid)
    """Of a family that is not in the table `harness.components.families`: its layers, as
    transformers builds them. Before `architecture`, whose check reads it."""
    architecture: str = Field(
        "llama", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", validate_default=True
    )
    """The family, as `model_type` of config.json: names, shapes and biases of its layers."""
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    intermediate: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    vocab: int = Field(gt=0)
    head_dim: int | None = Field(None, gt=0, exclude_if=_unsaid)
    """Width of one attention head; None: hidden / heads."""
    attention_bias: bool = Field(False, exclude_if=_unsaid)
    """Whether queries, keys and values have biases, in families that leave it to config.json."""
    mlp_bias: bool = Field(False, exclude_if=_unsaid)
    """Whether the MLP's layers have biases, in families that leave it to config.json."""
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
        split = self.head_dim is None and self.hidden % self.heads
        if split or self.heads % self.kv_heads:
            raise ValueError(
                f"hidden {self.hidden}, heads {self.heads}, kv_heads {self.kv_heads}: hidden is a"
                " multiple of heads unless there is a head_dim, and heads of kv_heads"
            )
        return self

    @field_validator("architecture")
    @classmethod
    def _family_is_known_or_written_out(cls, value: str, info: ValidationInfo) -> str:
        layout = info.data.get("layout")
        if value not in FAMILIES and layout is None:
            raise ValueError(
                f"{value!r} is no family that is known here ({', '.join(FAMILIES)}), and the spec"
                " has no layout of its layers"
            )
        if value in FAMILIES and layout is not None:
            raise ValueError(f"the family {value} is known; leave the layout out")
        return value

    @model_validator(mode="after")
    def _biases_are_the_familys(self) -> Self:
        for name in ("attention_bias", "mlp_bias"):
            if getattr(self, name) and name not in self.family.keys:
                raise ValueError(f"{name}: the family {self.architecture} leaves no choice of it")
        return self

    @property
    def family(self) -> Family:
        """The row of the table of families, or the layout as one."""
        if self.layout is not None:
            return self.layout.family()
        return FAMILIES[self.architecture]

    @property
    def weight_bits(self) -> int:
        """Bits of a weight of the frozen base, as the template writes them; 0: not quantized."""
        return {"fp4": 4, "nf4": 4, "int8": 8, "none": 0}[self.quantization]

    @property
    def own_attention(self) -> bool:
        """Whether the model attends by itself: its code may be its own, or its family unknown.

        Training then pads its batches and evaluation gives it whole rows.
        """
        return self.trust_remote_code or self.layout is not None

    @property
    def slow_evaluation(self) -> str:
        """What makes such a model slow where it answers, in words; nothing of any other."""
        if not self.own_attention:
            return ""
        return "its attention is its own, so each row is computed whole for every token it writes"

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.head_dim or self.hidden // self.heads

    def width(self, size: Size) -> int:
        """Return the number that a size of the table of families stands for."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "hidden": self.hidden,
            "intermediate": self.intermediate,
            "gate_up": 2 * self.intermediate,
            "head": self.head_size,
            "queries": queries,
            "keys": keys,
            "qkv": queries + 2 * keys,
            "vocab": self.vocab,
            "one": 1,
        }[size]

    def linears(self) -> tuple[Linear, ...]:
        """Return every linear layer of the decoder blocks, in module order."""
        family = self.family
        blocks = family.blocks
        shapes = [
            (item.name, self.width(item.takes), self.width(item.gives), self._has(item.bias))
            for item in family.projections
        ]
        return tuple(
            Linear(name=f"{blocks}.{layer}.{name}", in_features=n_in, out_features=n_out, bias=bias)
            for layer in range(self.layers)
            for name, n_in, n_out, bias in shapes
        )

    def _has(self, bias: Bias) -> bool:
        return bias == "always" or (bias != "never" and bool(getattr(self, bias)))

    def linear_parameters(self) -> int:
        """Weights in the decoder blocks' linear layers: what quantization shrinks."""
        return sum(item.in_features * item.out_features for item in self.linears())

    def parameters(self) -> int:
        """All weights: linears with their biases, embeddings (once when tied) and norms."""
        embeddings = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        norms = self.layers * sum(map(self.width, self.family.norms))
        norms += sum(map(self.width, self.family.outside))
        return sum(item.parameters() for item in self.linears()) + embeddings + norms


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
                f" its layers: {', '.join(sorted(suffixes))}"
            )
    return tuple(
        item for item in linears if any(_matches(item.name, target) for target in target_modules)
    )


def _matches(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)
