"""AdaLoRA: LoRA as P diag(e) Q, whose smallest e are pruned while it trains.

https://arxiv.org/abs/2303.10512

Here for its forecast; why no strategy averages it is in `harness_standard.validity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from harness.components import ModelSpec, PeftMethod, Shapes, select_linears
from harness_standard.peft_methods.targets import PREFIX, Targets

if TYPE_CHECKING:
    from peft import AdaLoraConfig


class AdaLoraParams(Targets):
    """AdaLoRA."""

    init_r: int = Field(12, ge=1)
    """Rank at the start; what travels. Source of both defaults: peft."""
    target_r: int = Field(8, ge=1)
    """Mean rank at the end."""
    alpha: int = Field(64, ge=1)
    """The update is scaled by alpha over the rank."""
    dropout: float = Field(0.075, ge=0, lt=1)
    """On the adapter's input, in training."""
    total_steps: int = Field(1000, ge=1)
    """Steps over which the ranks are pruned."""


def _configure(model: ModelSpec, params: AdaLoraParams) -> AdaLoraConfig:
    from peft import AdaLoraConfig

    return AdaLoraConfig(
        init_r=params.init_r,
        target_r=params.target_r,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        total_step=params.total_steps,
        target_modules=list(params.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )


def _shapes(model: ModelSpec, params: AdaLoraParams) -> Shapes:
    """Q (r, in), P (out, r) and e (r, 1) of every adapted layer, r being `init_r`."""
    shapes: Shapes = {}
    for layer in select_linears(model, params.target_modules):
        shapes[f"{PREFIX}{layer.name}.lora_A"] = (params.init_r, layer.in_features)
        shapes[f"{PREFIX}{layer.name}.lora_B"] = (layer.out_features, params.init_r)
        shapes[f"{PREFIX}{layer.name}.lora_E"] = (params.init_r, 1)
    return shapes


ADALORA = PeftMethod(
    name="adalora",
    params=AdaLoraParams,
    configure=_configure,
    shapes=_shapes,
    paper="https://arxiv.org/abs/2303.10512",
)
