"""The exported Flower App: what it holds, and that its config cannot be bent."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_run import TinyRun

from harness.document import read_document
from harness.errors import UsageError
from harness.federation.server_app import check_config, find_order, make_app
from harness.federation.superlink.app_directory import PACKAGE, template_config, write_app
from harness.federation.superlink.handover import Order
from harness.federation.wire.names import Job
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

    write_app(tmp_path, small.spec, small.challenge, run_dir="", mirror="")
    config, warnings = load_and_validate(tmp_path / "pyproject.toml")
    assert not warnings
    assert build_fab_from_disk(tmp_path)
    assert config["tool"]["flwr"]["app"]["components"]["serverapp"].startswith(PACKAGE)
    assert read_document(RunSpec, tmp_path / PACKAGE / "spec.json") == small.spec


def test_its_config_restates_the_spec_by_the_templates_keys(small: TinyRun, tmp_path: Path) -> None:
    write_app(tmp_path, small.spec, small.challenge, run_dir="/r", mirror="")
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
    order = Order(job=job, options=Options(), actors=1)
    write_atomic(tmp_path / "order.json", pretty_json(order.model_dump(mode="json")))
    config = {"run-dir": str(tmp_path)}
    assert find_order(config, small.spec, small.challenge)[0] == order
    other = small.spec.with_values(seed=8)
    with pytest.raises(UsageError, match="of another spec than this app"):
        find_order(config, other, small.challenge)


def test_the_app_loads(small: TinyRun, tmp_path: Path) -> None:
    from flwr.serverapp import ServerApp

    write_app(tmp_path, small.spec, small.challenge, run_dir="", mirror="")
    assert isinstance(make_app(tmp_path / PACKAGE), ServerApp)


def test_export_refuses_a_folder_in_use(tmp_path: Path) -> None:
    from harness.cli.execute.export import command

    (tmp_path / "file").touch()
    found = CliRunner().invoke(command, [str(tmp_path), "--plugin", "tiny/fedavg"])
    assert isinstance(found.exception, UsageError)
