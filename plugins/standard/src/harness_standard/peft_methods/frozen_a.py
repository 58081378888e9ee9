"""FFA-LoRA as a PEFT method: LoRA whose A stays at its seeded start. Only B travels.

https://arxiv.org/abs/2403.12313

mean(B_i A) = mean(B_i) A, so every strategy that averages tensors averages products. A is made
again from the run's seed wherever it is needed; the saved adapter holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components import ModelSpec, PeftMethod
from harness_standard.factors import A_SUFFIX
from harness_standard.peft_methods.lora import LoraParams, lora_config, lora_shapes

if TYPE_CHECKING:
    from peft import LoraConfig


def _configure(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params)


def _is_a(name: str) -> bool:
    return name.endswith(A_SUFFIX)


FFA_LORA = PeftMethod(
    name="ffa-lora",
    params=LoraParams,
    configure=_configure,
    shapes=lora_shapes,
    frozen=_is_a,
    paper="https://arxiv.org/abs/2403.12313",
)
