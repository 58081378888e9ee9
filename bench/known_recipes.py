"""Add the recipes of this repository's plugins, as they are now, to what the checker knows.

    python bench/known_recipes.py

Recipes of earlier states stay: records that name them are checked against them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from harness.boards.board import board_folder
from harness.document import pretty_json
from harness.planning.resolve import Request, resolve
from harness.plugins.loading import load
from harness.verify.independent.known_recipes import FILE, KnownRecipe, known_recipes, values_of

PLUGIN = "smollm2-dora"
"""The plugin of this repository that has recipes."""


def recipes_now() -> dict[str, list[KnownRecipe]]:
    """Return board -> the recipes that are made for it, as they are resolved."""
    found = defaultdict(list)
    for name in load(PLUGIN).recipes:
        spec = resolve(Request(plugin=f"{PLUGIN}/{name}", device="cpu", threads=1)).spec
        digest = next(item.digest for item in spec.plugins if item.name == PLUGIN)
        known = KnownRecipe(plugin=PLUGIN, digest=digest, recipe=name, values=values_of(spec))
        found[spec.challenge.id].append(known)
    return dict(found)


def main() -> None:
    """Write the files."""
    for board, recipes in recipes_now().items():
        every = dict(known_recipes(board)) | {item.key: item for item in recipes}
        text = pretty_json([every[key].model_dump(mode="json") for key in sorted(every)])
        Path(str(board_folder(board).joinpath(FILE))).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
