"""A warm start: clients go on from the adapter of an earlier run, which needs no code at all."""

from __future__ import annotations

from harness import hookimpl
from harness.recipe import Choice, Extensions, Recipe, WarmStart
from harness_examples.recipe import changed

FIRST = WarmStart(
    adapter="examples/first",
    sha256="319d32a1e67e1a374a379161eac4ea6f8d165979e3c852b4c6bc91a21e145276",
)
"""The adapter of `harness run --plugin smollm2-dora --smoke --seed 7`, put into a mirror as
`models/examples/first/`. Another machine may make other bytes of it: then `--set
extensions.warm_start.sha256=...` names those."""


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return a recipe whose adapter has the shapes of the one that it starts from."""
    mlp = ["down_proj", "up_proj", "gate_proj"]
    dora = Choice(name="standard/dora", params={"r": 32, "alpha": 64, "target_modules": mlp})
    recipe = changed("continued", "DoRA from an earlier adapter", Extensions(warm_start=FIRST))
    return [recipe.with_values(peft=dora)]
