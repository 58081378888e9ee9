"""LoHa and LoKr: an update that is a Hadamard or a Kronecker product of small factors.

LoHa  dW = alpha/r (W1a W1b) * (W2a W2b), element by element   https://arxiv.org/abs/2108.06098
LoKr  dW = alpha/r W1 (x) W2, W2 = W2a W2b where that is smaller
                                                               https://arxiv.org/abs/2309.14859
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from harness.components import ModelSpec, PeftMethod, Shapes, select_linears
from harness_standard.peft_methods.targets import PREFIX, Targets

if TYPE_CHECKING:
    from peft import LoHaConfig, LoKrConfig


class LycorisParams(Targets):
    """LoHa and LoKr."""

    r: int = Field(8, ge=1)
    """Rank. Source of both defaults: peft."""
    alpha: int = Field(8, ge=1)
    """The update is scaled by alpha / r."""


def _configure_loha(model: ModelSpec, params: LycorisParams) -> LoHaConfig:
    from peft import LoHaConfig

    return LoHaConfig(
        r=params.r,
        alpha=params.alpha,
        target_modules=list(params.target_modules),
        task_type="CAUSAL_LM",
    )


def _shapes_loha(model: ModelSpec, params: LycorisParams) -> Shapes:
    """Two pairs (out, r) and (r, in) a layer."""
    shapes: Shapes = {}
    for layer in select_linears(model, params.target_modules):
        for factor in ("hada_w1", "hada_w2"):
            shapes[f"{PREFIX}{layer.name}.{factor}_a"] = (layer.out_features, params.r)
            shapes[f"{PREFIX}{layer.name}.{factor}_b"] = (params.r, layer.in_features)
    return shapes


def _configure_lokr(model: ModelSpec, params: LycorisParams) -> LoKrConfig:
    from peft import LoKrConfig

    return LoKrConfig(
        r=params.r,
        alpha=params.alpha,
        target_modules=list(params.target_modules),
        task_type="CAUSAL_LM",
    )


def _shapes_lokr(model: ModelSpec, params: LycorisParams) -> Shapes:
    """W1 of the small parts and W2 of the large parts of (out, in); W2 in two below half rank."""
    shapes: Shapes = {}
    for layer in select_linears(model, params.target_modules):
        out_small, out_large = near_square(layer.out_features)
        in_small, in_large = near_square(layer.in_features)
        shapes[f"{PREFIX}{layer.name}.lokr_w1"] = (out_small, in_small)
        if params.r < max(out_large, in_large) / 2:
            shapes[f"{PREFIX}{layer.name}.lokr_w2_a"] = (out_large, params.r)
            shapes[f"{PREFIX}{layer.name}.lokr_w2_b"] = (params.r, in_large)
        else:
            shapes[f"{PREFIX}{layer.name}.lokr_w2"] = (out_large, in_large)
    return shapes


def near_square(size: int) -> tuple[int, int]:
    """Return the two factors of `size` that are closest to each other, the smaller first.

    Source: peft's LoKr with `decompose_factor=-1`.
    """
    small = max(n for n in range(1, int(size**0.5) + 1) if size % n == 0)
    return small, size // small


LOHA = PeftMethod(
    name="loha",
    params=LycorisParams,
    configure=_configure_loha,
    shapes=_shapes_loha,
    paper="https://arxiv.org/abs/2108.06098",
)
LOKR = PeftMethod(
    name="lokr",
    params=LycorisParams,
    configure=_configure_lokr,
    shapes=_shapes_lokr,
    paper="https://arxiv.org/abs/2309.14859",
)
