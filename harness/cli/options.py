"""Options that several sub-commands share: the fields of `harness.planning.resolve.Request`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
"""Type of an option that names a folder, which need not exist."""

F = TypeVar("F", bound=Callable[..., Any])


def mirror_option(function: F) -> F:
    """Add the option that names a mirror."""
    option = click.option(
        "--mirror", type=FOLDER, envvar="HARNESS_MIRROR", help="Local copy of hub files."
    )
    return option(function)


def request_options(function: F) -> F:
    """Add the options that name and change a recipe."""
    options = [
        click.option("--plugin", metavar="P[/R]", help="Plugin, or plugin/recipe."),
        click.option("--challenge", metavar="NAME", help="Challenge; default: the recipe's."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
                     help="Change a free value: rounds=3, peft.r=16, model.dtype=float32 ..."),
        click.option("--smoke", is_flag=True,
                     help="Small model, synthetic text, 2 rounds; never ranks."),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1),
                     help="Seed of every random choice."),
        click.option("--device", default="auto", metavar="auto|cpu|cuda", show_default=True),
        click.option("--threads", type=click.IntRange(1), help="torch threads per client."),
        click.option("--limit", "evaluation_rows", type=click.IntRange(1),
                     help="Evaluate only the first N rows of each set; not eligible."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function
