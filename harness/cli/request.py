"""The options that name a run and change it: the fields of `harness.planning.resolve.Request`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from harness.cli.options import F
from harness.errors import UsageError
from harness.planning.recipe_files import PROJECT, read_recipe
from harness.planning.resolve import DEFAULT_SEED, Request
from harness.planning.settings.keys import meant_by
from harness.plugins import discover
from harness.plugins.discovery import refuse_unknown
from harness.record.file_names import SPEC
from harness.spec import SEEDS

RECIPE_SUFFIX = ".toml"


def request_options(function: F) -> F:
    """Add the argument and the options that name and change a recipe."""
    options = [
        click.argument("file", required=False, type=click.Path(path_type=Path)),
        click.option("--plugin", metavar="P[/R]", help="Plugin, or plugin/recipe."),
        click.option("--challenge", metavar="NAME", help="Challenge; default: the recipe's."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
                     help="Change a free value: rounds=3, peft.r=16, model.dtype=float32 ..."),
        click.option("--smoke", is_flag=True,
                     help="Small model, synthetic text, 2 rounds; never ranks."),
        click.option("--seed", type=click.IntRange(SEEDS[0], SEEDS[-1]),
                     help=f"Seed of every random choice; default: {DEFAULT_SEED}."),
        click.option("--device", default="auto", metavar="auto|cpu|cuda", show_default=True,
                     help="Where clients train; auto: a GPU that nvidia-smi lists, else the CPU."),
        click.option("--threads", type=click.IntRange(1),
                     help="torch threads per client; default: the cores, shared by the clients of"
                     " a round."),
        click.option("--limit", "evaluation_rows", type=click.IntRange(1),
                     help="Evaluate only the first N rows of each set; not eligible."),
        click.option("--division", type=click.Choice(["closed", "open"]),
                     help="open: --set may change num_supernodes, partitioner and dataset, which"
                     " the board fixes; such runs have a table of their own. Default: as the"
                     " recipe says."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def request_of(plugin: str | None, file: Path | None, **options: Any) -> Request:
    """Return the run that is asked for: a plugin's recipe, or one out of a file.

    Says on stderr what a short name of `--set` was taken for.

    Raises:
        UsageError: neither is named, or both; or what `read_recipe` raises.
        PluginError: the plugin is not installed.
    """
    for option in options.get("overrides", ()):
        key = option.partition("=")[0].strip()
        if meant := meant_by(key.replace("-", "_")):
            click.echo(f"--set {key} is taken for {meant}", err=True)
    if file is None:
        if plugin is None:
            raise UsageError("missing --plugin P[/R], or a recipe's file; see: harness plugins")
        refuse_unknown(plugin.partition("/")[0], discover())
        return Request(plugin, **options)
    if plugin is not None:
        raise UsageError(f"--plugin {plugin} and the file {file} exclude each other; name one")
    if file.is_dir():
        if (file / SPEC).is_file() and not (file / PROJECT).is_file():
            place = shlex.quote(str(file))
            raise UsageError(
                f"{file}: a run directory; go on with it: harness run --resume {place}; or take its"
                f" recipe: harness import {place} --recipe FILE{RECIPE_SUFFIX}"
            )
        file /= PROJECT
    if file.suffix != RECIPE_SUFFIX:
        raise UsageError(
            f"{file}: expected a recipe's file, FILE{RECIPE_SUFFIX}; a plugin is named by --plugin"
        )
    return Request(str(file), recipe=read_recipe(file), **options)
