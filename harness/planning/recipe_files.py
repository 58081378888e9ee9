"""Recipes as files: data in TOML that needs no package, read into a recipe and written from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.document import canonical_json, explain
from harness.document.plain_values import why_not_plain
from harness.document.toml_text import read_users_toml
from harness.errors import UsageError
from harness.recipe import Recipe

SECTION = "tool.harness"
"""Where a recipe stands in a pyproject.toml."""
PROJECT = "pyproject.toml"


def read_recipe(path: Path) -> Recipe:
    """Return the recipe that a TOML file, or [tool.harness] of a pyproject.toml, holds.

    `name` is the file's, or the project's folder's, where it is left out, and `title` the name.

    Raises:
        UsageError: there is no such file, it is no TOML, it has no recipe, or a value of the recipe
            is of the wrong type or out of range; the file and the key are named.
    """
    table, where, name = read_users_toml(path), str(path), path.stem
    if path.name == PROJECT:
        tool = table.get("tool")
        section = tool.get("harness") if isinstance(tool, dict) else None
        if not isinstance(section, dict):
            raise UsageError(f"{path}: no section [{SECTION}]; a recipe stands there, see the docs")
        where, table, name = f"{path}: [{SECTION}]", section, path.resolve().parent.name
    return recipe_of(table, where, name)


def recipe_of(table: Mapping[str, Any], where: str, name: str) -> Recipe:
    """Return the recipe of a parsed table.

    Args:
        table: fields of a `Recipe`.
        where: the file, for messages.
        name: of the recipe, where the table has none.

    Raises:
        UsageError: as `read_recipe`.
    """
    tree = {"name": plain_name(name), **table}
    tree.setdefault("title", tree["name"])
    if problem := why_not_plain(tree):
        raise UsageError(f"{where}: {problem}; a recipe holds texts, numbers, lists and tables")
    try:
        recipe = Recipe.model_validate_json(canonical_json(tree), strict=True)
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(error)}") from None
    named = {"peft": recipe.peft, "strategy": recipe.strategy}
    named |= {f"extensions.{kind}": item for kind, item in recipe.extensions.components.items()}
    for part, chosen in ((part, choice.name) for part, choice in named.items()):
        if "/" not in chosen:
            raise UsageError(
                f"{where}: {part}.name is {chosen!r}; a file has no plugin of its own, so write"
                f" plugin/component, as in standard/{chosen}"
            )
    if isinstance(recipe.model, str) and "/" not in recipe.model:
        raise UsageError(
            f"{where}: model is {recipe.model!r}; write organisation/model of the hub,"
            " plugin/component, or the fields that `harness model` prints"
        )
    return recipe


def plain_name(text: str) -> str:
    """Return a text, such as a file's or folder's name, as a recipe may be called."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text.lower())
    return name.strip("._-") or "recipe"


def recipe_tree(recipe: Recipe, plugin: str, model: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a recipe as the tree of a file: what differs from the defaults, names complete.

    Args:
        recipe: of a plugin.
        plugin: its entry point name, which completes bare component names.
        model: fields of its model, written out so that the file needs no package for it; None:
            the recipe's own word for it.
    """
    tree = recipe.model_dump(mode="json", exclude_defaults=True)
    tree.pop("default", None)
    tree["challenge"] = recipe.challenge
    for part, choice in (("peft", recipe.peft), ("strategy", recipe.strategy)):
        tree[part]["name"] = choice.name if "/" in choice.name else f"{plugin}/{choice.name}"
    for kind, choice in recipe.extensions.components.items():
        full = choice.name if "/" in choice.name else f"{plugin}/{choice.name}"
        tree["extensions"][kind]["name"] = full
    if model is not None:
        tree["model"] = dict(model)
    order = (
        "name", "title", "challenge", "model", "peft", "strategy", "train", "extensions",
        "price", "division", "open",
    )  # fmt: skip
    return {key: tree[key] for key in order if tree.get(key) is not None}
