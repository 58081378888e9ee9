"""The model of a recipe: a plugin's, one that the recipe spells out, or one of the hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydantic import ValidationError

from harness.components import ModelSpec
from harness.document import canonical_json, explain
from harness.errors import NowhereError, PluginError, did_you_mean
from harness.planning.settings.overrides import FIELDS, Overrides, apply_to_model
from harness.plugins import Loaded, discover, find_model
from harness.recipe import FILE_PLUGIN, Recipe
from harness.spec import PluginRef

HubModels = Callable[[str, str], ModelSpec]
"""(hub id, revision) -> the model that its config.json describes; `harness.sources.hub_model`."""


def model_of(
    recipe: Recipe, plugin: Loaded | None, overrides: Overrides, hub_models: HubModels | None
) -> tuple[ModelSpec, PluginRef | None]:
    """Return a recipe's model with what is set of it, and the plugin that names it, if any does.

    Args:
        recipe: names the model, or holds the fields of its spec.
        plugin: the recipe's; None where it stands in a file.
        overrides: what is set.
        hub_models: asked for a hub id that no plugin's model has; None: such a recipe is refused.

    Raises:
        PluginError: there is no such model, or its fields are no spec.
        NowhereError: `hub_models` finds the model in none of its sources.
        SourceError: what `hub_models` raises.
    """
    own = FILE_PLUGIN if plugin is None else plugin.ref.name
    ref = None if plugin is None else plugin.ref
    if isinstance(recipe.model, dict):
        where = f"recipe {own}/{recipe.name}: model"
        try:
            written = ModelSpec.model_validate_json(canonical_json(recipe.model), strict=True)
        except ValidationError as error:
            raise PluginError(f"{where}: {explain(error)}; see: harness model") from None
        return apply_to_model(written, overrides), ref
    owner, slash, _ = recipe.model.partition("/")
    if not slash or owner in discover():
        found = find_model(recipe.model, own)
        return apply_to_model(found.value, overrides), found.plugin
    if hub_models is None:
        raise PluginError(
            f"model {recipe.model!r}: no plugin {owner!r} is installed, and hub ids are not looked"
            f" up here; {did_you_mean(owner, discover())}"
        )
    # The revision that is asked for is replaced by the commit that it stands for.
    values = dict(overrides.values)
    revision = str(values.pop(f"{FIELDS}revision", "main"))
    try:
        found_model = hub_models(recipe.model, revision)
    except NowhereError as error:
        raise NowhereError(
            f"{error}; nor is a plugin {owner!r} installed, {did_you_mean(owner, discover())}"
        ) from None
    return apply_to_model(found_model, replace(overrides, values=values)), ref
