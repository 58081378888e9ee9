"""peft's internals: what a LoRA or DoRA layer is made of.

Source: peft 0.21, `tuners/lora/layer.py` (`LoraLayer`, `Linear.forward`), `tuners/lora/bnb.py`
(`Linear4bit`) and `tuners/lora/variants.py` (`DoraLinearVariant.forward`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

ADAPTER_NAME = "default"
"""Name that peft gives to the only adapter of a model."""


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """One layer y = c (W x + s B A d(x)) + v, as peft holds it; d is dropout, v the bias."""

    base: torch.nn.Module
    """Holds W, (out, in), in full or in 4 bits, and the frozen v, (out,), or None."""
    a: torch.nn.Parameter
    """(r, in)"""
    b: torch.nn.Parameter
    """(out, r)"""
    scaling: float
    dropout: float
    magnitude: torch.nn.Parameter | None
    """m of DoRA, (out,), where c = m / ||W + s B A||; None for LoRA, whose c is 1."""


def plain_lora_layer(layer: Any) -> LoraLayer | None:
    """Return what a LoRA or DoRA layer is made of, or None where there is more to it than that.

    None is returned for other methods and variants, for more than one adapter, for biases of the
    factors, and for a base that is neither `torch.nn.Linear` nor 4-bit.
    """
    from peft.tuners.lora.bnb import Linear4bit
    from peft.tuners.lora.layer import Linear
    from peft.tuners.lora.variants import DoraLinearVariant

    # Exact types, not isinstance: a sub-class computes something else.
    if type(layer) not in (Linear, Linear4bit):
        return None
    base = layer.get_base_layer()
    variant = layer.lora_variant.get(ADAPTER_NAME)
    plain = (
        (type(layer) is Linear4bit or type(base) is torch.nn.Linear)
        and not (base.bias is not None and base.bias.requires_grad)
        and list(layer.lora_A) == [ADAPTER_NAME]
        and layer.lora_A[ADAPTER_NAME].bias is None
        and layer.lora_B[ADAPTER_NAME].bias is None
        and not layer.fan_in_fan_out
        and (variant is None or type(variant) is DoraLinearVariant)
    )
    if not plain:
        return None
    return LoraLayer(
        base=base,
        a=layer.lora_A[ADAPTER_NAME].weight,
        b=layer.lora_B[ADAPTER_NAME].weight,
        scaling=float(layer.scaling[ADAPTER_NAME]),
        # Without dropout there is an identity in its place, which has no rate.
        dropout=float(getattr(layer.lora_dropout[ADAPTER_NAME], "p", 0.0)),
        magnitude=None if variant is None else layer.lora_magnitude_vector[ADAPTER_NAME].weight,
    )
