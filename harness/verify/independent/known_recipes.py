"""Recipes that this repository ships, as a spec without any `--set` has them.

Kept beside the plugins and not read from them, so that a record can be checked where the plugin is
not installed; `python bench/known_recipes.py` writes the file, a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from harness.boards.board import board_folder, board_names
from harness.document import Document, parse_document, parse_json
from harness.spec import RunSpec

FILE = "recipes.json"
"""Of a board's folder: the recipes as they are resolved for it, since a board may bring a prompt.
"""

PARTS = ("model", "peft", "strategy", "train", "price")
"""What a recipe decides of a spec."""


class KnownRecipe(Document):
    """One recipe in one state of its plugin."""

    plugin: str
    digest: str
    """Of the plugin's content, as in `PluginRef`."""
    recipe: str
    values: dict[str, Any]
    """Path in the spec (`train.rounds`) -> value."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others of a board."""
        return self.plugin, self.digest, self.recipe


@cache
def known_recipes(board_id: str) -> Mapping[tuple[str, str, str], KnownRecipe]:
    """Return the recipes of a board by plugin, digest and name."""
    file = board_folder(board_id).joinpath(FILE)
    if not file.is_file():
        return {}
    value = parse_json(file.read_text("utf-8"), FILE)
    return {item.key: item for item in (parse_document(KnownRecipe, each, FILE) for each in value)}


def known_recipe(spec: RunSpec) -> KnownRecipe | None:
    """Return the recipe that a spec names, or None of one that is not known here."""
    if spec.challenge.id not in board_names():  # a stranger's word; `spec-agrees` says so
        return None
    digest = next((item.digest for item in spec.plugins if item.name == spec.plugin), "")
    return known_recipes(spec.challenge.id).get((spec.plugin, digest, spec.recipe))


def values_of(spec: RunSpec) -> dict[str, Any]:
    """Return path -> value of everything in a spec that a recipe decides."""
    value = spec.model_dump(mode="json", include=set(PARTS))
    return dict(_leaves("", value))


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(f"{place}.{key}" if place else key, item)
    else:
        yield place, value


def decided(path: str, overrides: Iterable[str]) -> bool:
    """Whether a value of a spec is the recipe's own: nothing that was set changes it.

    Args:
        path: of the value.
        overrides: paths that were set, as `harness.planning.settings.overrides` gives them.
    """
    for given in overrides:
        put = given.replace("model_fields.", "model.", 1)
        # Another component has other parameters, and another model is another one in every field.
        whole = put.removesuffix(".name") if put in ("peft.name", "strategy.name") else put
        if path == whole or path.startswith(f"{whole}.") or whole.startswith(f"{path}."):
            return False
    return True
