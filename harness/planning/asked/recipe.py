"""The recipe of a plugin, and what the board that it is run on gives it."""

from __future__ import annotations

from harness.boards.challenge import Challenge, InstructionSet
from harness.errors import PluginError, did_you_mean
from harness.plugins import Loaded
from harness.recipe import Prompt, Recipe


def pick_recipe(plugin: Loaded, name: str) -> Recipe:
    """Return a plugin's recipe by name, or its default for an empty name.

    Raises:
        PluginError: there is no such recipe, no recipe at all, or no single default.
    """
    recipes = plugin.recipes
    if name:
        if name not in recipes:
            raise PluginError(
                f"plugin {plugin.ref.name!r} has no recipe {name!r}; {did_you_mean(name, recipes)}"
            )
        return recipes[name]
    if len(recipes) == 1:
        return next(iter(recipes.values()))
    if not recipes:
        raise PluginError(
            f"plugin {plugin.ref.name!r} has no recipe, only components; see: harness plugins"
        )
    defaults = [item for item in recipes.values() if item.default]
    if len(defaults) != 1:
        raise PluginError(
            f"plugin {plugin.ref.name!r} has {len(recipes)} recipes and {len(defaults)} defaults;"
            f" name one: {', '.join(f'{plugin.ref.name}/{item}' for item in recipes)}"
        )
    return defaults[0]


def with_prompt(recipe: Recipe, challenge: Challenge) -> Recipe:
    """Return a recipe with the prompt of the board that it is run on.

    A recipe for any board that says nothing about the prompt has the finance template's, which asks
    columns that other boards' templates drop; it gets the text that the board's template makes.
    """
    dataset = challenge.dataset
    unsaid = recipe.challenge is None and recipe.train.prompt == Prompt()
    if not unsaid or not isinstance(dataset, InstructionSet):
        return recipe
    train = recipe.train.with_values(prompt=Prompt(template=dataset.template))
    return recipe.with_values(train=train)
