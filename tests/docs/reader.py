"""A reader of the documents: a fresh clone, the environment of README's install, a shell.

pip installs by README's command. What it would fetch for that, torch among it, is linked from this
environment beforehand, and nothing else: a library that the harness needs without asking for it is
missing there as it is at a reader's.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from documented import ROOT
from packaging.requirements import Requirement

sys.path.insert(0, str(ROOT / "tests" / "repro"))
import linked_libraries  # needs the path above

INSTALL = "pip install -r requirements.txt"
OF_THE_TEST = ("PYTHON", "HARNESS_MIRROR", "HARNESS_PYTEST", "VIRTUAL_ENV", "TOX", "PYTEST")
"""First letters of variables that a reader does not have."""

UP_S = 120.0
"""Seconds after which a deployment of two SuperNodes should long have been connected."""


def libraries_of(requirements: list[str], extra: str = "") -> list[str]:
    """Return requirements of an installed distribution, for a reader who asks for that extra."""
    found = []
    for text in requirements:
        item = Requirement(text)
        if item.marker is None or item.marker.evaluate({"extra": extra}):
            item.marker = None
            found.append(str(item))
    return [text for text in found if not text.startswith("flowertune-harness")]


class Reader:
    """Somebody who has read README's first lines, and types what stands on the pages."""

    def __init__(self, folder: Path) -> None:
        """Make the environment by README's install, and a clone."""
        self.folder = folder
        self.environment = folder / ".venv"
        self.clones = 0
        self.entry: Path | None = None
        """Where the plugin lies that was installed with its tests, in editable mode."""
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith(OF_THE_TEST)
        }
        self.variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.here = folder
        self.shell("python -m venv .venv")
        needed = Distribution.from_name("flowertune-harness").requires or []
        linked_libraries.link_required(libraries_of(needed, "run"), self.environment)
        self.clone()
        self.type(INSTALL)

    def clone(self) -> None:
        """Go into a fresh clone of the repository as it lies here, changes that wait included."""
        self.clones += 1
        self.here = self.folder / f"clone-{self.clones}"
        git = ["git", "-C", str(ROOT)]
        subprocess.run([*git, "clone", "-q", str(ROOT), str(self.here)], check=True)
        changed = subprocess.run(
            [*git, "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
            capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, changed):
            place = self.here / name
            if (ROOT / name).is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, place)
            else:
                place.unlink(missing_ok=True)

    def git(self, *words: str) -> None:
        """Do something in the clone's history, by a name that git takes."""
        who = ["-c", "user.name=reader", "-c", "user.email=reader@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.here, check=True, capture_output=True)

    def type(self, line: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Type a line with the environment activated, and return what it prints.

        A `cd` stays. The test is skipped where pip can reach no package index.
        """
        if line.startswith("cd "):
            self.here /= line.removeprefix("cd ")
            return ""
        if "[test]" in line:
            needed = tomllib.loads((self.here / "pyproject.toml").read_text())["project"]
            wanted = [*needed["dependencies"], *needed["optional-dependencies"]["test"]]
            linked_libraries.link_required(libraries_of(wanted), self.environment)
            self.entry = self.here
        activate = shlex.quote(str(self.environment / "bin" / "activate"))
        return self.shell(f". {activate}; {line}", allowed)

    def shell(self, line: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run a line by bash, and hold its exit code to those that are allowed."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.here, env=self.variables,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        if re.search(r"No matching distribution|ConnectionError", done.stderr):
            pytest.skip("pip cannot reach a package index for the build back end")
        assert done.returncode in allowed, said
        assert "Traceback" not in done.stderr, said
        return done.stdout

    def up(self, line: str) -> None:
        """Start a deployment, wait until it says that it is connected, and interrupt it."""
        activate = shlex.quote(str(self.environment / "bin" / "activate"))
        log = self.folder / "up.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f". {activate}; exec {line}"], cwd=self.here, env=self.variables,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            end = time.monotonic() + UP_S
            while "are connected" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, 130), log.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
