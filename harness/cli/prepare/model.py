"""`harness model`: what a config.json says, as a ModelSpec that a recipe can hold."""

from __future__ import annotations

import re
from pathlib import Path

import click

from harness.cli.options import mirror_option
from harness.components import ModelSpec
from harness.document import pretty_json
from harness.document.toml_text import toml_value
from harness.errors import UsageError
from harness.recipe import MODEL


@click.command()
@click.argument("model", metavar="HUB_ID|DIR")
@mirror_option
@click.option(
    "--revision",
    metavar="COMMIT",
    default="main",
    show_default=True,
    help="Branch or commit.",
)
@click.option("--hub-id", metavar="ORG/NAME", help="Name of the model that lies in DIR.")
@click.option("--trust-remote-code", is_flag=True, help="Let the model's own code run; ineligible.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    model: str, mirror: Path | None, revision: str, hub_id: str | None, trust_remote_code: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Print the ModelSpec of a model of the hub, or of one that lies in a folder.

    A recipe can hold what is printed as its model. Only config.json is read: from the mirror, the
    Hugging Face cache or the hub. Loads no torch; the layers of a family that is not known here are
    read from transformers, where that is installed, in a process of its own.
    """
    from harness.sources.hub_model import folder_model, hub_model

    folder = Path(model).expanduser()
    if folder.is_dir():
        spec = folder_model(folder, hub_id or _name_of(folder), revision=revision)
    elif hub_id is not None:
        raise UsageError(f"--hub-id names the model of a folder, and {model} is none; leave it out")
    elif re.fullmatch(MODEL, model) and "/" in model:
        spec = hub_model(model, revision, mirror)
    else:
        raise UsageError(f"{model}: neither a folder nor a hub id; expected ORG/NAME, or DIR")
    if trust_remote_code:
        spec = spec.with_values(trust_remote_code=True)
    values = spec.model_dump(mode="json")
    click.echo(pretty_json(values) if as_json else as_toml(spec), nl=False)


def as_toml(spec: ModelSpec) -> str:
    """Return a spec as a TOML table of a recipe, with its sizes as a comment."""
    values = spec.model_dump(mode="json")
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    layers = dict.fromkeys(item.name.rsplit(".", 1)[-1] for item in spec.linears())
    return (
        f"# {spec.parameters():,} parameters, {spec.linear_parameters():,} of them in the linear"
        f" layers {', '.join(layers)}\n[model]\n" + "\n".join(lines) + "\n"
    )


def _name_of(folder: Path) -> str:
    """Return the last two parts of a folder's path, as a mirror has them.

    Raises:
        UsageError: they are no hub id.
    """
    name = "/".join(folder.resolve().parts[-2:])
    if not re.fullmatch(MODEL, name) or "/" not in name:
        raise UsageError(f"{folder}: its path is no hub id; name the model with --hub-id ORG/NAME")
    return name
