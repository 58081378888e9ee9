"""A run as a Flower App directory: what `flwr run` takes and what participants hand in.

The app holds the spec and the challenge as they were resolved, and two small modules that
name the harness's ServerApp and ClientApp: what a round does is the same code in every engine. The
run config repeats the template's keys for readers and for tools; the ServerApp refuses to start
when one of them was changed, because the spec decides.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness import __version__
from harness.boards.challenge import Challenge
from harness.document import digest_of, pretty_json, write_atomic
from harness.spec import RunSpec

PACKAGE = "flowertune_app"
RUN_DIR_KEY = "run-dir"
MIRROR_KEY = "mirror"

Scalar = str | int | float | bool


def write_app(folder: Path, spec: RunSpec, challenge: Challenge, run_dir: str, mirror: str) -> None:
    """Write the app into `folder`; equal specs give equal files.

    Args:
        folder: the app's directory.
        spec: the run.
        challenge: its challenge.
        run_dir: default of the config key `run-dir`; "" for one below the home directory.
        mirror: default of the config key `mirror`; "" for none.
    """
    package = folder / PACKAGE
    write_atomic(folder / "pyproject.toml", _pyproject(spec, challenge, run_dir, mirror))
    write_atomic(folder / "README.md", _readme(spec))
    write_atomic(package / "__init__.py", f'"""Flower App of {spec.label}."""\n')
    write_atomic(package / "server_app.py", _SERVER)
    write_atomic(package / "client_app.py", _CLIENT)
    write_atomic(package / "spec.json", pretty_json(spec.model_dump(mode="json")))
    write_atomic(package / "challenge.json", pretty_json(challenge.model_dump(mode="json")))


def template_config(spec: RunSpec, challenge: Challenge) -> dict[str, Scalar]:
    """Return the run config by the keys of the FlowerTune template, dotted.

    Source: [tool.flwr.app.config] of the finance template, 2026-03.
    """
    train, params = spec.train, spec.peft.params
    bits = {"fp4": 4, "nf4": 4, "int8": 8, "none": 0}[spec.model.quantization]
    config: dict[str, Scalar] = {
        "model.name": spec.model.hub_id,
        "model.quantization": bits,
        "train.save-every-round": train.save_every_rounds,
        "train.dynamic-data-seed": train.data_order == "per-round",
        "train.learning-rate-max": train.learning_rate_max,
        "train.learning-rate-min": train.learning_rate_min,
        "train.seq-length": train.seq_length,
        "train.training-arguments.per-device-train-batch-size": train.batch_size,
        "train.training-arguments.gradient-accumulation-steps": train.gradient_accumulation_steps,
        "train.training-arguments.max-steps": train.max_steps,
        "train.training-arguments.optim": train.optimizer,
        "strategy.name": spec.strategy.name,
        "strategy.fraction-train": train.fraction,
        "strategy.fraction-evaluate": 0.0,
        "num-server-rounds": train.rounds,
        "seed": spec.seed,
        "peft.name": spec.peft.name,
        "static.dataset.name": challenge.dataset.name,
    }
    names = {"r": "model.lora.peft-lora-r", "alpha": "model.lora.peft-lora-alpha"}
    for name, key in names.items():
        if isinstance(params.get(name), int | float):
            config[key] = params[name]
    return config


def _pyproject(spec: RunSpec, challenge: Challenge, run_dir: str, mirror: str) -> str:
    config = template_config(spec, challenge)
    static = {key: value for key, value in config.items() if key.startswith("static.")}
    free = {key: value for key, value in config.items() if key not in static}
    lines = [
        "[build-system]",
        'requires = ["hatchling"]',
        'build-backend = "hatchling.build"',
        "",
        "[project]",
        f'name = "flowertune-{spec.plugin}-{spec.recipe}"'.replace("_", "-"),
        'version = "1.0.0"',
        f"description = {json.dumps(f'{spec.label} for {challenge.title}')}",
        'license = "Apache-2.0"',
        f"# Runs with flowertune-harness {__version__} and its extra [run], and with the plugins",
        *(f"#   {ref.name} {ref.version}" for ref in spec.plugins),
        "# installed beside Flower; see README.md.",
        "dependencies = []",
        "",
        "[tool.hatch.build.targets.wheel]",
        'packages = ["."]',
        "",
        "[tool.flwr.app]",
        'publisher = "participant"',
        "",
        "[tool.flwr.app.components]",
        f'serverapp = "{PACKAGE}.server_app:app"',
        f'clientapp = "{PACKAGE}.client_app:app"',
        "",
        "[tool.flwr.app.config]",
        f"{RUN_DIR_KEY} = {json.dumps(run_dir)}",
        f"{MIRROR_KEY} = {json.dumps(mirror)}",
        *(f"{key} = {_toml(value)}" for key, value in free.items()),
        "",
        "[tool.flwr.app.config.static]",
        *(f"{key.removeprefix('static.')} = {_toml(value)}" for key, value in static.items()),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: Scalar) -> str:
    # JSON's numbers, booleans and strings are TOML's, but for a bare exponent such as 6e-06.
    return json.dumps(value)


_SERVER = '''"""The harness's ServerApp for the spec beside this file."""

from pathlib import Path

from harness.federation.server_app import make_app

app = make_app(Path(__file__).parent)

__all__ = ["app"]
'''

_CLIENT = '''"""The harness's ClientApp: the same for every run."""

from harness.federation.client import app
from harness.federation.restarts import restart_dead_clients

restart_dead_clients()

__all__ = ["app"]
'''


def _readme(spec: RunSpec) -> str:
    plugins = "\n".join(f"- `{ref.name}` {ref.version}" for ref in spec.plugins)
    return f"""# {spec.label} as a Flower App

Spec `{digest_of(spec)}`, made by flowertune-harness {__version__}.

Needs, in the environment of the SuperLink and of the SuperNodes: `flowertune-harness[run]`
{__version__} and the plugins

{plugins}

Run it on a local simulation:

    flwr run . --stream --federation-config "num-supernodes=50 client-resources-num-cpus=1"

`--run-config 'run-dir="/path"'` says where rounds, checkpoints and the adapter go, and
`--run-config 'mirror="/path"'` where models and data lie. Afterwards
`harness run --resume /path` evaluates the adapter and writes `result.json`.
The other values of the config restate `{PACKAGE}/spec.json`; changing one is refused.
"""
