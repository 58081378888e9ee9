"""docs/writing-a-plugin.md, followed to the letter in an environment of its own.

The environment sees the packages of this one (torch is not installed twice), and the plugin is
installed into it by pip: in editable mode first, as the page says, and then as the wheel that the
page builds. The run at the end is of the wheel.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing-a-plugin.md"


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


class Place:
    """A fresh virtual environment and a working directory."""

    def __init__(self, folder: Path) -> None:
        environment = folder / "environment"
        venv.create(environment, with_pip=True)
        self.python = environment / "bin" / "python"
        [site] = (environment / "lib").glob("python*/site-packages")
        here = sysconfig.get_paths()["purelib"]
        (site / "_here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        self.site = site
        self.folder = folder / "work"
        self.folder.mkdir()

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the page with the environment's programs."""
        program, *arguments = shlex.split(line)
        if program == "cd":
            self.folder = self.folder / arguments[0]
            return subprocess.CompletedProcess(line, 0, "", "")
        start = {
            "pip": ["-m", "pip", "--disable-pip-version-check"],
            "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
            "harness": ["-c", "from harness.cli import main; main()"],
        }[program]
        if program == "pip" and "install" in arguments:
            arguments.append("--no-deps")  # everything it needs is seen through the path
        done = subprocess.run(
            [self.python, *start, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if program == "pip" and re.search(r"No matching distribution|ConnectionError", done.stderr):
            pytest.skip("pip cannot reach a package index for the build back end")
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done


def test_the_page_has_the_commands_of_the_way():
    programs = [line.split()[0] + " " + line.split()[1] for line in commands() if " " in line]
    assert programs[0] == "harness new-plugin"
    assert "harness run" in programs
    assert programs[-1] == "pip wheel"


@pytest.mark.slow
def test_the_page_leads_to_a_recorded_run(tmp_path):
    pytest.importorskip("torch")
    place = Place(tmp_path)
    last = []
    for line in commands():
        if line.startswith("harness run"):
            last.append(line)  # run what the page ends with, the wheel
        elif line == "pip install -e '.[test]'":
            place.run(line)
            info = json.loads(place.run("harness plugins my-entry --json").stdout)
            assert info["editable"] is True
        else:
            place.run(line)
    [wheel] = (place.folder / "dist").glob("*.whl")
    place.run("pip uninstall -y flowertune-harness-my-entry")
    place.run(f"pip install {wheel}")
    assert (place.site / "harness_my_entry" / "recipe.py").is_file()
    [line] = last
    place.run(line)
    record = json.loads((place.folder / "smoke" / "result.json").read_text())
    entry = next(item for item in record["plugins"] if item["name"] == "my-entry")
    assert entry["version"] == "0.1.0"
    assert entry["editable"] is False
    assert re.fullmatch("[0-9a-f]{64}", entry["digest"])
    assert {item["name"] for item in record["plugins"]} == {"my-entry", "standard"}
    assert record["spec"]["strategy"] == {"name": "my-entry/damped", "params": {"eta": 0.8}}
    assert record["eligible"] is False
    place.run("harness verify smoke")
