"""A generated plugin works as it is, and what cannot be generated is refused."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from environment import environment_with
from packaging.requirements import Requirement

from harness.cli.prepare.new_plugin import command
from harness.errors import UsageError
from harness.new_plugin import write_plugin

ROOT = Path(__file__).resolve().parents[2]


def install(folder: Path, site: Path) -> Path:
    """Put a distribution on a path of its own, as an installer would; return a Python with it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"]
    lines += [f"Requires-Dist: {item}\n" for item in project["dependencies"]]
    (info / "METADATA").write_text("".join(lines))
    points = project["entry-points"]["flowertune_harness"]
    body = "".join(f"{name} = {module}\n" for name, module in points.items())
    (info / "entry_points.txt").write_text(f"[flowertune_harness]\n{body}")
    return environment_with(site / "environment", site, folder / "src")


def harness(python, *arguments):
    code = "from harness.cli import main; main()"
    return subprocess.run(
        [python, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_generated_plugin_passes_its_own_tests(tmp_path):
    pytest.importorskip("torch")
    folder = tmp_path / "my-entry"
    done = CliRunner().invoke(command, ["my-entry", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    python = install(folder, tmp_path / "site")
    found = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in found.stdout, found.stdout + found.stderr


def test_a_generated_plugin_is_found_and_planned(tmp_path):
    folder = tmp_path / "my-entry"
    write_plugin("my-entry", folder)
    python = install(folder, tmp_path / "site")
    assert "my-entry" in harness(python, "plugins", "--json").stdout
    planned = harness(python, "plan", "--plugin", "my-entry", "--json")
    assert planned.returncode == 0, planned.stderr
    assert '"violations": []' in planned.stdout


def test_what_the_docs_install_is_all_that_the_docs_run(tmp_path):
    """`pip install -e '.[test]'` brings the programs of the lines that come after it."""
    write_plugin("my-entry", tmp_path / "my-entry")
    project = tomllib.loads((tmp_path / "my-entry" / "pyproject.toml").read_text())["project"]
    brought = [Requirement(item) for item in project["optional-dependencies"]["test"]]
    assert {"pytest", "flowertune-harness"} == {item.name for item in brought}
    assert all(item.extras == ({"run"} if "harness" in item.name else set()) for item in brought)
    for page in ("docs/tutorial.md", "docs/writing-a-plugin.md"):
        text = (ROOT / page).read_text()
        after = text[text.index("pip install -e '.[test]'\n") :].splitlines()
        assert after[1].removeprefix("$ ") == "pytest", page
    made = (tmp_path / "my-entry" / "README.md").read_text()
    assert made.index("pip install -e '.[test]'") < made.index("pytest\n")


def test_ruff_likes_what_is_generated(tmp_path):
    write_plugin("my-entry", tmp_path / "my-entry")
    for check in (["check"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--isolated", "--line-length", "100", "."],
            cwd=tmp_path / "my-entry",
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    "name", ["My-Entry", "my entry", "../up", "-x", "a--b", "3d", "class", "", "a" * 61]
)
def test_a_name_that_no_plugin_can_have_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="is no plugin name"):
        write_plugin(name, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_taken_name_and_a_folder_in_use_are_refused(tmp_path, install_plugin):
    install_plugin("taken", "")
    with pytest.raises(UsageError, match="installed already"):
        write_plugin("taken", tmp_path / "taken")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is in use"):
        write_plugin("fresh", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_name_of_60_characters_fits_and_one_of_61_does_not(tmp_path):
    assert write_plugin("a" * 60, tmp_path / "fits")
    with pytest.raises(UsageError, match="at most 60 characters"):
        write_plugin("a" * 61, tmp_path / "does-not")
