"""Every recipe that is installed is an app that Flower's own command builds."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.execute.export import command
from harness.federation.superlink.app_directory import refused_folder
from harness.plugins import load
from harness.plugins.discovery import discover

OURS = "flowertune-harness-"
"""Begins the distributions of this repository. Plugins that other tests make are not asked."""


def recipes() -> list[str]:
    installed = [name for name, info in discover().items() if info.distribution.startswith(OURS)]
    return [f"{name}/{recipe}" for name in installed for recipe in load(name).recipes]


# Flower asks pathspec by a name that the latter is giving up.
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_flwr_build_takes_the_export_of_every_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flwr.cli.build import build

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flwr"))
    wanted = recipes()
    assert "smollm2-dora/1.7b" in wanted
    for number, recipe in enumerate(wanted):
        folder = tmp_path / f"app-{number}"
        made = CliRunner().invoke(command, [str(folder), "--plugin", recipe, "--device", "cpu"])
        assert made.exit_code == 0, made.output
        build(app=folder)
    assert len(list(tmp_path.glob("*.fab"))) == len(wanted)


def test_an_app_asks_for_its_harness_its_plugins_and_the_versions_below(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "app"), "--plugin", "smollm2-dora/135m", "--smoke"]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    project = tomllib.loads((tmp_path / "app" / "pyproject.toml").read_text("utf-8"))
    names = [item.split("==")[0] for item in project["project"]["dependencies"]]
    known = discover()
    plugins = [known[name].distribution for name in ("smollm2-dora", "standard")]
    assert names == ["flowertune-harness[run]", *plugins]
    below = dict(item.split("==") for item in project["tool"]["uv"]["constraint-dependencies"])
    assert {"flwr", "torch", "peft", "transformers", "numpy", "ray"} <= below.keys()
    assert not [version for version in below.values() if "+" in version]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("app", True),
        ("my-app-2", True),
        ("x" * 32, True),
        ("x" * 33, False),
        ("my_app", False),
        ("2-apps", False),
        ("läufe", False),
    ],
)
def test_a_folder_that_flower_refuses_gets_a_word(name: str, taken: bool, tmp_path: Path) -> None:
    from flwr.supercore.utils import is_valid_name

    said = refused_folder(tmp_path / name)
    assert (said is None) == taken
    if taken or name.isascii():
        assert is_valid_name(name)[0] == taken
    if said is not None:
        assert repr(name) in said
