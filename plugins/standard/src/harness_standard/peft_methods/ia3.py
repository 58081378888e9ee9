"""(IA)3: one trained factor per output of keys and values and per input of the MLP's last layer.

https://arxiv.org/abs/2205.05638
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from harness.components import ModelSpec, PeftMethod, Shapes, select_linears
from harness_standard.peft_methods.targets import PREFIX, Targets, each_once

if TYPE_CHECKING:
    from peft import IA3Config


class Ia3Params(Targets):
    """(IA)3."""

    target_modules: tuple[str, ...] = Field(("k_proj", "v_proj", "down_proj"), min_length=1)
    """Source of both defaults: peft's for Llama."""
    feedforward_modules: tuple[str, ...] = ("down_proj",)
    """Targets whose inputs are scaled instead of their outputs."""

    @field_validator("feedforward_modules")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value)


def _configure(model: ModelSpec, params: Ia3Params) -> IA3Config:
    from peft import IA3Config

    return IA3Config(
        target_modules=list(params.target_modules),
        feedforward_modules=[
            name for name in params.feedforward_modules if name in params.target_modules
        ],
        task_type="CAUSAL_LM",
    )


def _shapes(model: ModelSpec, params: Ia3Params) -> Shapes:
    """One vector a layer: (1, in) where inputs are scaled, else (out, 1)."""
    inputs = [name for name in params.feedforward_modules if name in params.target_modules]
    scaled = {layer.name for layer in select_linears(model, tuple(inputs))} if inputs else set()
    return {
        f"{PREFIX}{layer.name}.ia3_l": (
            (1, layer.in_features) if layer.name in scaled else (layer.out_features, 1)
        )
        for layer in select_linears(model, params.target_modules)
    }


IA3 = PeftMethod(
    name="ia3",
    params=Ia3Params,
    configure=_configure,
    shapes=_shapes,
    paper="https://arxiv.org/abs/2205.05638",
)
