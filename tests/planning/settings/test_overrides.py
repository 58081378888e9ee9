"""`--set` tries another component or another choice about the data without editing the recipe."""

from __future__ import annotations

from harness.planning.settings.overrides import apply_to_recipe, parse_overrides
from harness.recipe import Choice, Recipe, TrainSpec

RECIPE = Recipe(
    name="r",
    title="a recipe",
    model="m",
    peft=Choice(name="standard/dora", params={"r": 8, "alpha": 16}),
    strategy=Choice(name="standard/fedprox", params={"mu": 0.1}),
    train=TrainSpec(),
)


def changed(*options: str) -> Recipe:
    return apply_to_recipe(RECIPE, parse_overrides(options).values)


def test_another_component_brings_its_own_parameters() -> None:
    found = changed("strategy=standard/fedavg", "peft=standard/lora", "peft.r=4")
    assert found.strategy == Choice(name="standard/fedavg")
    assert found.peft == Choice(name="standard/lora", params={"r": 4})


def test_the_same_component_keeps_its_parameters() -> None:
    found = changed("strategy=standard/fedprox", "peft.r=4")
    assert found.strategy == RECIPE.strategy
    assert found.peft.params == {"r": 4, "alpha": 16}


def test_choices_about_the_data_can_be_set() -> None:
    found = changed(
        "prompt.style=chat",
        'data.output_map={ "mildly positive" = "positive" }',
        'train.data.filters=[{ column = "output", pattern = "positive" }]',
    )
    assert found.train.prompt.style == "chat"
    assert found.train.data.output_map == {"mildly positive": "positive"}
    assert found.train.data.filters[0].keep == "matching"
