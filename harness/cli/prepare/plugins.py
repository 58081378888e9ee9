"""`harness plugins`: what is installed, and what one plugin contributes."""

from __future__ import annotations

from typing import Any

import click

from harness.document import pretty_json
from harness.document.toml_text import write_toml
from harness.errors import UsageError
from harness.planning.asked.recipe import pick_recipe
from harness.planning.recipe_files import recipe_tree
from harness.plugins import Loaded, PluginInfo, discover, find_model, load
from harness.plugins.discovery import refuse_unknown

KINDS = {"models": "model", "peft_methods": "PEFT method", "strategies": "strategy",
         "extensions": "extension"}  # fmt: skip


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.option("--check", is_flag=True, help="Hold all that NAME contributes to what runs need.")
@click.option("--toml", "as_toml", is_flag=True, help="Print the recipe NAME, P/R, as a file.")
def command(name: str | None, as_json: bool, check: bool, as_toml: bool) -> None:
    """List installed plugins from their metadata, or load NAME and list what it contributes.

    With --toml NAME is a recipe, P/R, or P for its default one. --check tries components and
    recipes on small arrays, as the plugin's own test does, and exits with 4 on any problem.
    """
    if check and (name is None or as_json or as_toml):
        raise UsageError("--check goes with one NAME alone: harness plugins NAME --check")
    if as_toml:
        if name is None or as_json:
            raise UsageError("--toml prints one recipe: harness plugins P/R --toml, without --json")
        click.echo(_recipe(name), nl=False)
        return
    known = discover()
    if name is None:
        rows = [_info(item) for item in known.values()]
        click.echo(pretty_json(rows) if as_json else _table(rows), nl=not as_json)
        return
    refuse_unknown(name, known)
    if check:
        from harness.testing.check import check_plugin

        check_plugin(name)
        click.echo(f"plugin {name}: no problems found")
        return
    value = _info(known[name]) | _contents(load(name))
    click.echo(pretty_json(value) if as_json else _details(value), nl=not as_json)


def _info(item: PluginInfo) -> dict[str, Any]:
    return {
        "name": item.name,
        "distribution": item.distribution,
        "version": item.version,
        "module": item.module,
        "problem": item.problem,
    }


def _contents(plugin: Loaded) -> dict[str, Any]:
    name = plugin.ref.name
    return {
        "digest": plugin.ref.digest,
        "editable": plugin.ref.editable,
        "models": [f"{name}/{item}" for item in plugin.models],
        "peft_methods": [f"{name}/{item}" for item in plugin.peft_methods],
        "strategies": [f"{name}/{item}" for item in plugin.strategies],
        "extensions": [f"{name}/{item}" for item in plugin.extensions],
        "recipes": [
            {"name": f"{name}/{item.name}", "title": item.title, "default": item.default}
            for item in plugin.recipes.values()
        ],
    }


def _recipe(name: str) -> str:
    plugin_name, _, recipe_name = name.partition("/")
    recipe = pick_recipe(load(plugin_name), recipe_name)
    model = None
    if isinstance(recipe.model, str):
        owner, slash, _ = recipe.model.partition("/")
        if not slash or owner in discover():
            found = find_model(recipe.model, plugin_name).value
            model = found.model_dump(mode="json", exclude_defaults=True)
    return write_toml(recipe_tree(recipe, plugin_name, model))


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        install = "pip install ./plugins/standard ./plugins/smollm2-dora"
        return f"no plugins installed; in a clone of the harness: {install}"
    lines = [f"{row['name']:<20} {row['distribution']} {row['version']}" for row in rows]
    lines += [f"{row['name']:<20} BROKEN: {row['problem']}" for row in rows if row["problem"]]
    return "\n".join(lines)


def _details(value: dict[str, Any]) -> str:
    lines = [f"{value['name']}: {value['distribution']} {value['version']}, {value['digest'][:16]}"]
    for key, kind in KINDS.items():
        lines += [f"  {kind:<12} {item}" for item in value[key]]
    for recipe in value["recipes"]:
        default = " (default)" if recipe["default"] else ""
        lines.append(f"  {'recipe':<12} {recipe['name']}{default}: {recipe['title']}")
    return "\n".join(lines)
