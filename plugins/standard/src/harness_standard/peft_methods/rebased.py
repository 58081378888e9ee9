"""PiSSA and OLoRA: LoRA that starts from a part of the base's own weights.

PiSSA  B A starts as the principal part of W's SVD     https://arxiv.org/abs/2404.02948
OLoRA  B A starts from W's QR                          https://arxiv.org/abs/2406.01775

Both take that part out of W. They are here for their forecast; which strategies may use them is in
`harness_standard.validity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components import ModelSpec, PeftMethod
from harness_standard.peft_methods.lora import LoraParams, lora_config, lora_shapes

if TYPE_CHECKING:
    from peft import LoraConfig


def _configure_pissa(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params, init_lora_weights="pissa")


def _configure_olora(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params, init_lora_weights="olora")


PISSA = PeftMethod(
    name="pissa",
    params=LoraParams,
    configure=_configure_pissa,
    shapes=lora_shapes,
    paper="https://arxiv.org/abs/2404.02948",
)
OLORA = PeftMethod(
    name="olora",
    params=LoraParams,
    configure=_configure_olora,
    shapes=lora_shapes,
    paper="https://arxiv.org/abs/2406.01775",
)
