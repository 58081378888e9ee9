"""VeRA: one frozen random pair A, B for all layers; two trained vectors a layer.

h = W x + diag(b) B diag(d) A x                      https://arxiv.org/abs/2310.11454

A and B never travel and are not saved: peft draws them again from `projection_key`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pydantic import Field

from harness.components import ModelSpec, PeftMethod, Shapes, select_linears
from harness_standard.peft_methods.targets import PREFIX, Targets

if TYPE_CHECKING:
    from peft import VeraConfig


class VeraParams(Targets):
    """VeRA."""

    r: int = Field(256, ge=1)
    """Rank of the frozen pair. Source of the default: peft, after the paper."""
    d_initial: float = Field(0.1, gt=0)
    """Start of d; b starts at zero. Source of the default: the paper's table 6c, by peft."""
    dropout: float = Field(0.075, ge=0, lt=1)
    """On the adapter's input, in training."""
    projection_key: int = Field(0, ge=0)
    """Seed of the frozen pair."""


def _configure(model: ModelSpec, params: VeraParams) -> VeraConfig:
    from peft import VeraConfig

    with warnings.catch_warnings():
        # peft advises to save the frozen pair; drawing it again from its key is the method.
        warnings.filterwarnings("ignore", message="Specified to not save vera_A")
        return VeraConfig(
            r=params.r,
            vera_dropout=params.dropout,
            d_initial=params.d_initial,
            projection_prng_key=params.projection_key,
            save_projection=False,
            target_modules=list(params.target_modules),
            bias="none",
            task_type="CAUSAL_LM",
        )


def _shapes(model: ModelSpec, params: VeraParams) -> Shapes:
    """b (out,) and d (r,) of every adapted layer."""
    shapes: Shapes = {}
    for layer in select_linears(model, params.target_modules):
        shapes[f"{PREFIX}{layer.name}.vera_lambda_b"] = (layer.out_features,)
        shapes[f"{PREFIX}{layer.name}.vera_lambda_d"] = (params.r,)
    return shapes


VERA = PeftMethod(
    name="vera",
    params=VeraParams,
    configure=_configure,
    shapes=_shapes,
    paper="https://arxiv.org/abs/2310.11454",
)
