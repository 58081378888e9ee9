"""The exported Flower App: what it holds, and that its config cannot be bent."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_run import TinyRun

from harness.claims.importing.config import read_config
from harness.claims.importing.project import open_project
from harness.claims.record import ClaimedConfig
from harness.document import read_document
from harness.errors import UsageError
from harness.federation.job import Job
from harness.federation.server_app import check_config, find_handover, make_app
from harness.federation.superlink.app_directory import (
    APP_PACKAGE,
    app_name,
    template_config,
    write_app,
)
from harness.federation.superlink.handover import Handover
from harness.spec import RunSpec


def flat(value: dict, prefix: str = "") -> dict[str, object]:
    items: dict[str, object] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            items |= flat(item, f"{prefix}{key}.")
        else:
            items[prefix + key] = item
    return items


# Flower 1.41 asks pathspec by a name that the latter is giving up.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_an_app_that_flower_builds(small: TinyRun, tmp_path: Path) -> None:
    from flwr.cli.build import build_fab_from_disk
    from flwr.cli.config_utils import load_and_validate

    write_app(tmp_path, small.spec, small.challenge)
    config, warnings = load_and_validate(tmp_path / "pyproject.toml")
    assert not warnings
    assert build_fab_from_disk(tmp_path)
    assert config["tool"]["flwr"]["app"]["components"]["serverapp"].startswith(APP_PACKAGE)
    assert read_document(RunSpec, tmp_path / APP_PACKAGE / "spec.json") == small.spec


# As above.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_a_model_of_every_family_is_exported_as_what_it_is(small: TinyRun, tmp_path: Path) -> None:
    """The app that Flower builds holds the family's spec, and its reader makes the same shapes."""
    from flwr.cli.build import build_fab_from_disk
    from odd_models import KINDS, odd_spec

    for kind in KINDS:
        spec = small.spec.with_values(model=odd_spec(kind).model_dump())
        folder = tmp_path / kind
        write_app(folder, spec, small.challenge)
        assert build_fab_from_disk(folder), kind
        read = read_document(RunSpec, folder / APP_PACKAGE / "spec.json")
        assert read == spec
        assert read.model.linears() == odd_spec(kind).linears()
        config = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
        assert config["config"]["model"]["name"] == f"tests/{kind}"


LABELS = [
    ("smollm2-dora", "1.7b"),
    ("a", "b_c.d--e"),
    ("my-entry", "x" * 80),
    ("seven-billion-weights", "with-flora-and-rank-32"),
]


# As above.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
@pytest.mark.parametrize(("plugin", "recipe"), LABELS)
def test_flower_takes_the_app_of_every_name(
    plugin: str, recipe: str, small: TinyRun, tmp_path: Path
) -> None:
    from flwr.cli.build import build_fab_from_disk

    spec = small.spec.with_values(plugin=plugin, recipe=recipe)
    write_app(tmp_path, spec, small.challenge)
    assert build_fab_from_disk(tmp_path)


def test_an_apps_name_is_readable_and_its_own() -> None:
    assert app_name("smollm2-dora/1.7b") == "flowertune-smollm2-dora-1-7b"
    exactly_fits = "flowertune-" + "x" * 19 + "-1"
    assert app_name("x" * 19 + "/1") == exactly_fits
    long = [app_name(f"seven-billion-weights/rank-{rank}") for rank in (8, 16, 32)]
    assert len({app_name("x" * 20 + "/1"), app_name("x" * 20 + "/2"), *long}) == 5
    assert all(name.startswith("flowertune-seven-billio") for name in long)


@pytest.mark.parametrize("supernodes", [4, 20])
def test_the_readme_runs_the_challenges_number_of_supernodes(
    supernodes: int, small: TinyRun, tmp_path: Path
) -> None:
    challenge = small.challenge.with_values(num_supernodes=supernodes)
    write_app(tmp_path, small.spec, challenge)
    text = (tmp_path / "README.md").read_text()
    [line] = re.findall(r"^    flwr run (.+)$", text, re.M)
    config = shlex.split(line)[-1].split()
    assert f"num-supernodes={supernodes}" in config


@pytest.mark.parametrize("path", ['/a "b"', "C:\\runs", "/läufe/🌼", "/x\x7fy", "line\nbreak"])
def test_whatever_a_path_holds_is_read_back(path: str, small: TinyRun, tmp_path: Path) -> None:
    write_app(tmp_path, small.spec, small.challenge, run_dir=path)
    config = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))
    found = config["tool"]["flwr"]["app"]["config"]
    assert found["run-dir"] == path


def test_an_imported_app_has_the_settings_that_were_exported(
    small: TinyRun, tmp_path: Path
) -> None:
    write_app(tmp_path, small.spec, small.challenge)
    unread: list[str] = []
    _, found = read_config(open_project(tmp_path), None, None, unread)
    assert not unread
    train = small.spec.train
    assert found.with_values(num_supernodes=None) == ClaimedConfig(
        model=small.spec.model.hub_id,
        dataset=small.challenge.dataset.name,
        rounds=train.rounds,
        fraction=train.fraction,
        max_steps=train.max_steps,
        batch_size=train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        learning_rate_max=train.learning_rate_max,
        learning_rate_min=train.learning_rate_min,
        seq_length=train.seq_length,
        quantization={"fp4": 4, "nf4": 4, "int8": 8, "none": 0}[small.spec.model.quantization],
        rank=small.spec.peft.params["r"],
        strategy=small.spec.strategy.name,
        alpha=small.spec.peft.params["alpha"],
        optimizer=train.optimizer,
        api="message",
    )


def test_its_config_restates_the_spec_by_the_templates_keys(small: TinyRun, tmp_path: Path) -> None:
    write_app(tmp_path, small.spec, small.challenge, run_dir="/r")
    text = (tmp_path / "pyproject.toml").read_text()
    config = flat(tomllib.loads(text)["tool"]["flwr"]["app"]["config"])
    assert config.pop("run-dir") == "/r"
    assert config.pop("mirror") == ""
    assert config == template_config(small.spec, small.challenge)
    assert config["static.dataset.name"] == "flwrlabs/fingpt-sentiment-train"
    assert config["model.lora.peft-lora-r"] == 4
    check_config(config, small.spec, small.challenge)


@pytest.mark.parametrize("key", ["static.dataset.name", "num-server-rounds", "model.name"])
def test_a_changed_value_is_refused(key: str, small: TinyRun) -> None:
    config = template_config(small.spec, small.challenge)
    config[key] = "other"
    with pytest.raises(UsageError, match=f'run config {key} is "other"'):
        check_config(config, small.spec, small.challenge)


def test_an_order_of_another_spec_is_refused(small: TinyRun, tmp_path: Path) -> None:
    from harness.document import pretty_json, write_atomic
    from harness.federation.options import Options

    job = Job(spec=small.spec, challenge=small.challenge, assets=small.assets)
    order = Handover(job=job, options=Options(), actors=1)
    write_atomic(tmp_path / "order.json", pretty_json(order.model_dump(mode="json")))
    config = {"run-dir": str(tmp_path)}
    assert find_handover(config, small.spec, small.challenge)[0] == order
    other = small.spec.with_values(seed=8)
    with pytest.raises(UsageError, match="of another spec than this app"):
        find_handover(config, other, small.challenge)


def test_the_app_loads(small: TinyRun, tmp_path: Path) -> None:
    from flwr.serverapp import ServerApp

    write_app(tmp_path, small.spec, small.challenge)
    assert isinstance(make_app(tmp_path / APP_PACKAGE), ServerApp)


def test_export_refuses_a_folder_in_use(tmp_path: Path) -> None:
    from harness.cli.execute.export import command

    (tmp_path / "file").touch()
    found = CliRunner().invoke(command, [str(tmp_path), "--plugin", "tiny/fedavg"])
    assert isinstance(found.exception, UsageError)


def test_the_command_that_export_prints_runs_with_what_is_installed_and_can_be_pasted(
    tmp_path: Path,
) -> None:
    from flwr.common.constant import FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION as VARIABLE

    from harness.cli.execute.export import command

    app = tmp_path / "my app"
    found = CliRunner().invoke(command, [str(app), "--plugin", "tiny/fedavg"])
    words = shlex.split(found.output.splitlines()[-1])
    assert words[:4] == [f"{VARIABLE}=1", "flwr", "run", str(app)]
    assert f"    export {VARIABLE}=1\n    flwr run ." in (app / "README.md").read_text()
