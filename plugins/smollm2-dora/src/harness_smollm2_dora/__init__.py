"""SmolLM2 with DoRA and FedAvg: the reference recipe and two smaller ones."""

from __future__ import annotations

from harness import hookimpl
from harness.components import ModelSpec
from harness.recipe import Recipe
from harness_smollm2_dora import models, recipes


@hookimpl
def harness_models() -> list[ModelSpec]:
    """Return the three sizes of SmolLM2-Instruct."""
    return [models.SMOLLM2_1_7B, models.SMOLLM2_360M, models.SMOLLM2_135M]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return the reference recipe (the default), its smaller siblings, and other boards' two."""
    return [recipes.REFERENCE, recipes.SMALLER, recipes.LAPTOP, *recipes.OTHER_BOARDS]
