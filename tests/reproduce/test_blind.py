"""What a plugin sees while a run is repeated is what it sees in any run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environment import TINY, environment_with

LOOKS = """
import json, os, sys

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace").rstrip(chr(0)).split(chr(0))
    except OSError:
        return []

def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""

if "harness.federation" in sys.orig_argv:
    here = os.getcwd()
    seen = {
        "arguments": sys.orig_argv, "variables": dict(os.environ), "folder": here,
        "listed": sorted(os.listdir()),
        "texts": [read(name) for name in sorted(os.listdir()) if os.path.isfile(name)],
        "open": [link(f"/proc/self/fd/{number}") for number in range(3)],
        "others": [[read(f"/proc/{pid}/cmdline"), read(f"/proc/{pid}/environ"),
                    link(f"/proc/{pid}/cwd")]
                   for pid in (os.getppid(), *ABOVE(os.getppid()))],
    }
    print("SEEN", json.dumps(seen), file=sys.stderr, flush=True)
    raise RuntimeError("seen enough")
"""
"""First lines of a plugin that looks around: arguments, variables, folders, files, other processes.
`ABOVE` gives the processes above one."""

ABOVE = """
def ABOVE(pid):
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return
        if pid:
            yield pid
"""

ASKS = """
import sys
from pathlib import Path
from tiny_run import tiny_run
from harness import run_directory
from harness.errors import HarnessError
from harness.federation.engine import federate
from harness.federation.options import Options
from harness.reproduce.original import Original
from harness.reproduce.scratch import scratch

how, model, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
run = tiny_run(model, "momentum", supernodes=4)  # its strategy is of the plugin that looks
try:
    if how == "run":
        run_directory.create(folder, run.spec, run.assets)
        federate(run.job, folder, Options(actors=1, quiet=True))
    else:
        with scratch(Original(folder, run.spec, (), None), None, own_process=True) as work_dir:
            run_directory.create(work_dir, run.spec, run.assets)
            federate(run.job, work_dir, Options(actors=1, quiet=True, until=1))
except HarnessError as error:
    print(error)
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python in whose environment the tiny plugin looks around first."""
    site, tools = tmp_path / "site", tmp_path / "tools"
    for folder in TINY.glob("harness_tiny*"):
        shutil.copytree(folder, site / folder.name)
    shutil.copytree(TINY, tools, ignore=shutil.ignore_patterns("harness_tiny*", "__pycache__"))
    plugin = site / "harness_tiny" / "__init__.py"
    text = plugin.read_text()
    future = text.index("from __future__ import annotations\n") + 36
    plugin.write_text(text[:future] + ABOVE + LOOKS + text[future:])
    (tools / "asks.py").write_text(ASKS)
    return environment_with(tmp_path / "environment", site, tools)


def seen(python: Path, how: str, model: Path, folder: Path, **told: str) -> dict[str, Any]:
    """Return what the plugin sees in a run in `folder`, or in a repetition of what lies there."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        [python, "-I", "-m", "asks", how, str(model), str(folder)],
        cwd=folder, env=os.environ | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("SEEN ")]
    assert len(lines) == 1, f"{done.returncode}: {done.stdout}{done.stderr}"
    found: dict[str, Any] = json.loads(lines[0].removeprefix("SEEN "))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="what is seen of others is in /proc on Linux")
def test_a_plugin_cannot_tell_a_repetition_from_a_run(
    python: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "hub" / "model"
    shutil.copytree(tiny_model, model)
    original = tmp_path / "submissions" / "the-recorded-entry"
    told = {"TOX_ENV_NAME": "repro", "NOTE": str(original), "HARNESS_NOTE": str(original)}
    again = seen(python, "repeat", model, original, **told)
    plain = seen(python, "run", model, tmp_path / "runs" / "tiny-momentum-smoke-20260101T000000Z")
    text = json.dumps(again)
    assert "the-recorded-entry" not in text
    assert "repeat" not in text
    assert "repro" not in text
    for name in ("arguments", "listed"):
        assert [re.sub(r"-ray-\w+|^\d+$", "", item) for item in again[name]] == [
            re.sub(r"-ray-\w+|^\d+$", "", item) for item in plain[name]
        ]
    assert again["variables"].keys() == plain["variables"].keys()
    assert "given.json" not in again["listed"]
