"""FFA-LoRA as a PEFT method: LoRA whose A stays at its seeded start. Only B travels.

https://arxiv.org/abs/2403.12313

mean(B_i A) = mean(B_i) A, so every strategy that averages tensors averages products. A is made
again from the run's seed wherever it is needed; the saved adapter holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components import ModelSpec, PeftMethod, Shapes
from harness_standard.factors import b_names
from harness_standard.peft_methods.lora import LoraParams, lora_config, lora_shapes

if TYPE_CHECKING:
    from peft import LoraConfig


def _configure(model: ModelSpec, params: LoraParams) -> LoraConfig:
    return lora_config(params)


def _shapes(model: ModelSpec, params: LoraParams) -> Shapes:
    """B (out, r) of every adapted layer."""
    shapes = lora_shapes(model, params)
    return {name: shapes[name] for name in b_names(shapes)}


FFA_LORA = PeftMethod(
    name="ffa-lora",
    params=LoraParams,
    configure=_configure,
    shapes=_shapes,
    paper="https://arxiv.org/abs/2403.12313",
)
