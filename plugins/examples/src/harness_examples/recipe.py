"""The recipe that every example changes in one place: SmolLM2-135M with LoRA and FedAvg."""

from __future__ import annotations

from harness.recipe import Choice, Extensions, Recipe, TrainSpec

MODEL = "smollm2-dora/smollm2-135m-instruct"
LORA = Choice(
    name="standard/lora", params={"r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"]}
)


def changed(
    name: str, title: str, extensions: Extensions, strategy: str = "fedavg", default: bool = False
) -> Recipe:
    """Return the recipe with its extensions.

    Args:
        name: of the recipe.
        title: what it is.
        extensions: what it changes.
        strategy: of the plugin `standard`.
        default: whether the plugin's name alone means it.
    """
    return Recipe(
        name=name,
        title=title,
        model=MODEL,
        peft=LORA,
        strategy=Choice(name=f"standard/{strategy}"),
        train=TrainSpec(
            rounds=3, max_steps=10, batch_size=4, learning_rate_max=1e-3, learning_rate_min=1e-4
        ),
        extensions=extensions,
        default=default,
    )
