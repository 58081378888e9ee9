"""A run as a Flower App directory: what `flwr run` takes and what participants hand in.

The app holds the spec and the challenge as they were resolved, and two small modules that
name the harness's ServerApp and ClientApp: what a round does is the same code in every engine. The
run config repeats the template's keys for readers and for tools; the ServerApp refuses to start
when one of them was changed, because the spec decides.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from harness import __version__
from harness.boards.challenge import Challenge
from harness.boards.template_keys import TEMPLATE_KEYS
from harness.document import digest_of, write_atomic, write_document
from harness.federation.superlink.app_dependencies import dependencies, locked_versions
from harness.record.file_names import SPEC
from harness.spec import RunSpec

APP_PACKAGE = "flowertune_app"
RUN_DIR_KEY = "run-dir"
MIRROR_KEY = "mirror"
APP_NAME_CHARACTERS = 32
"""Longest name of an app, and of its folder. Source: flwr `MAX_NAME_LENGTH`."""
APP_NAME = re.compile(rf"[a-zA-Z][a-zA-Z0-9-]{{0,{APP_NAME_CHARACTERS - 1}}}")
"""A name that Flower takes for an app and for its folder. Source: flwr `is_valid_name`, which takes
letters beyond ASCII too."""
APP_FILES = {
    "pyproject.toml.jinja": "pyproject.toml",
    "README.md.jinja": "README.md",
    "package/__init__.py.jinja": f"{APP_PACKAGE}/__init__.py",
    "package/server_app.py.jinja": f"{APP_PACKAGE}/server_app.py",
    "package/client_app.py.jinja": f"{APP_PACKAGE}/client_app.py",
}
"""Template -> file of the app."""

AS_INSTALLED = "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1"
"""Variable under which the SuperLink that `flwr run` starts installs nothing for an app."""

Scalar = str | int | float | bool


def write_app(folder: Path, spec: RunSpec, challenge: Challenge, run_dir: str = "") -> None:
    """Write the app into `folder`; equal specs give equal files in equal environments.

    Args:
        folder: the app's directory.
        spec: the run.
        challenge: its challenge.
        run_dir: default of the config key `run-dir`; "" for one below the home directory.
    """
    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # Neither TOML nor Markdown is HTML; values go through `toml`.
    )
    environment.filters["toml"] = toml_value
    values = {
        "name": app_name(spec.label),
        "label": spec.label,
        "description": f"{spec.label} for {challenge.title}",
        "package": APP_PACKAGE,
        "as_installed": AS_INSTALLED,
        "plugins": spec.plugins,
        "harness_version": __version__,
        "dependencies": dependencies(spec.plugins, __version__),
        "constraints": locked_versions(),
        "spec_digest": digest_of(spec),
        "supernodes": challenge.num_supernodes,
        "run_dir": run_dir,
        "config": template_config(spec, challenge),
    }
    root = resources.files("harness.federation.superlink").joinpath("template")
    for template, target in APP_FILES.items():
        text = root.joinpath(template).read_text("utf-8")
        write_atomic(folder / target, environment.from_string(text).render(values))
    write_document(folder / APP_PACKAGE / SPEC, spec)
    write_document(folder / APP_PACKAGE / "challenge.json", challenge)


def app_name(label: str) -> str:
    """Return a name that Flower takes for the app of `plugin/recipe`.

    A name begins with a letter and holds letters, digits and hyphens, at most 32 characters.
    `smollm2-dora/1.7b` gives `flowertune-smollm2-dora-1-7b`. A longer one is cut, and ends in
    digits of the label's digest, so that two recipes whose names begin alike stay two apps.

    Source: flwr `is_valid_name`.
    """
    name = "flowertune-" + re.sub(r"[^a-zA-Z0-9]+", "-", label).strip("-")
    if len(name) <= APP_NAME_CHARACTERS:
        return name
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{name[: APP_NAME_CHARACTERS - 9].rstrip('-')}-{digest}"


def refused_folder(folder: Path) -> str | None:
    """Say what Flower has against the name of an app's folder, or None."""
    name = folder.absolute().name
    if APP_NAME.fullmatch(name):
        return None
    return (
        f"Flower refuses a folder of the name {name!r}: `flwr build` wants a letter, then letters,"
        f" digits and hyphens, {APP_NAME_CHARACTERS} characters at most; rename it before"
    )


def toml_value(value: Scalar) -> str:
    """Return a value as TOML writes it: JSON's numbers, booleans and strings are TOML's too.

    Characters beyond ASCII stay as they are, since JSON would write those above U+FFFF as two
    surrogates, which TOML forbids; DEL is the one character that only TOML wants escaped.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def template_config(spec: RunSpec, challenge: Challenge) -> dict[str, Scalar]:
    """Return the run config by the keys of the FlowerTune template, dotted."""
    train, params = spec.train, spec.peft.params
    values: dict[str, Scalar] = {
        "model": spec.model.hub_id,
        "quantization": spec.model.weight_bits,
        "save_every_rounds": train.save_every_rounds,
        "new_order_every_round": train.data_order == "per-round",
        "learning_rate_max": train.learning_rate_max,
        "learning_rate_min": train.learning_rate_min,
        "seq_length": train.seq_length,
        "batch_size": train.batch_size,
        "gradient_accumulation_steps": train.gradient_accumulation_steps,
        "max_steps": train.max_steps,
        "optimizer": train.optimizer,
        "strategy": spec.strategy.name,
        "fraction": train.fraction,
        "fraction_evaluate": 0.0,
        "rounds": train.rounds,
        "seed": spec.seed,
        "peft": spec.peft.name,
        "dataset": challenge.dataset.name,
    }
    values |= {
        setting: params[name]
        for setting, name in (("rank", "r"), ("alpha", "alpha"))
        if isinstance(params.get(name), int | float)
    }
    return {TEMPLATE_KEYS[setting][0]: value for setting, value in values.items()}
