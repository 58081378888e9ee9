"""LoRA and its two variants that keep its parameters: DoRA and rsLoRA.

LoRA     h = W x + (alpha / r) B A x            https://arxiv.org/abs/2106.09685
DoRA     the same, each output row of the sum rescaled to a trained magnitude
                                                https://arxiv.org/abs/2402.09353
rsLoRA   LoRA with alpha / sqrt(r)              https://arxiv.org/abs/2312.03732
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.components import ModelSpec, PeftMethod, Shapes, select_linears
from harness_standard.peft_methods.targets import PREFIX, Targets

if TYPE_CHECKING:
    from peft import LoraConfig


class LoraParams(Targets):
    """Parameters of LoRA, DoRA and rsLoRA."""

    r: int = Field(32, ge=1)
    """Rank. Source of both defaults: FlowerTune templates, `train.model.lora` settings."""
    alpha: int = Field(64, ge=1)
    """The update is scaled by alpha / r (rsLoRA: alpha / sqrt(r))."""
    dropout: float = Field(0.075, ge=0, lt=1)
    """On the adapter's input, in training. Source: FlowerTune templates, `get_model`."""


def lora_shapes(model: ModelSpec, params: LoraParams) -> Shapes:
    """Return A (r, in) and B (out, r) of every adapted layer, in state-dict order.

    Raises:
        PluginError: a target matches no linear layer of `model`.
    """
    shapes: Shapes = {}
    for layer in select_linears(model, params.target_modules):
        shapes[f"{PREFIX}{layer.name}.lora_A.weight"] = (params.r, layer.in_features)
        shapes[f"{PREFIX}{layer.name}.lora_B.weight"] = (layer.out_features, params.r)
    return shapes


def _dora_shapes(model: ModelSpec, params: LoraParams) -> Shapes:
    """LoRA's tensors and, after each pair, the magnitude (out,)."""
    shapes: Shapes = {}
    for name, shape in lora_shapes(model, params).items():
        shapes[name] = shape
        if name.endswith(".lora_B.weight"):
            shapes[name.replace(".lora_B.weight", ".lora_magnitude_vector")] = shape[:1]
    return shapes


def lora_config(params: LoraParams, **variant: Any) -> LoraConfig:
    """Return peft's configuration: no biases, causal language model; `variant` is peft's."""
    from peft import LoraConfig

    return LoraConfig(
        r=params.r,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=list(params.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
        **variant,
    )


def _configure_lora(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params)


def _configure_dora(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params, use_dora=True)


def _configure_rslora(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params, use_rslora=True)


LORA = PeftMethod(
    name="lora",
    params=LoraParams,
    configure=_configure_lora,
    shapes=lora_shapes,
    paper="https://arxiv.org/abs/2106.09685",
)
DORA = PeftMethod(
    name="dora",
    params=LoraParams,
    configure=_configure_dora,
    shapes=_dora_shapes,
    paper="https://arxiv.org/abs/2402.09353",
)
RSLORA = PeftMethod(
    name="rslora",
    params=LoraParams,
    configure=_configure_rslora,
    shapes=lora_shapes,
    paper="https://arxiv.org/abs/2312.03732",
)
