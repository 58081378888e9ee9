"""A process that repeats a run looks like one that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.processes.plain_looks import plain_environment

CHILD = """
import json, os, sys
def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode()
    except PermissionError:
        return ""
def link(path):
    try:
        return os.readlink(path)
    except PermissionError:
        return ""
above, seen = os.getppid(), {"arguments": sys.argv, "environment": dict(os.environ)}
for name in ("cmdline", "environ"):
    seen[name] = read(f"/proc/{above}/{name}")
seen["cwd"] = [os.getcwd(), link(f"/proc/{above}/cwd")]
seen["files"] = [link(f"/proc/{pid}/fd/{fd}") for pid in ("self", above) for fd in range(3)]
print(json.dumps(seen))
print("a line of the child", file=sys.stderr)
"""

REPEATS = """
import os, subprocess, sys
from pathlib import Path
from harness.processes.plain_looks import take_plain_looks
original, scratch, child = sys.argv[-3:]
hidden = [original]
take_plain_looks(["/bin/harness", "run", "--resume", "runs/x"], Path(scratch), hidden)
sys.stdout.flush()
subprocess.run([sys.executable, "-I", "-c", child], check=True)
print("done", file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a command line is seen in /proc on Linux")
def test_nothing_that_a_child_sees_names_the_original(tmp_path: Path) -> None:
    original, scratch = tmp_path / "submissions" / "the-entry", tmp_path / "scratch"
    for folder in (original, scratch):
        folder.mkdir(parents=True)
    told = {
        "TOX_ENV_NAME": "repro", "PYTEST_CURRENT_TEST": "x", "CI": "1", "OLDPWD": str(original),
        "_": "harness reproduce", "HARNESS_NOTE": f"repeat {original}", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    with (original / "out.json").open("w+") as out, (original / "log.txt").open("w+") as log:
        subprocess.run(
            [sys.executable, "-c", REPEATS, "reproduce", str(original), str(scratch), CHILD],
            cwd=original, env=os.environ | told, stdout=out, stderr=log, check=True,
        )  # fmt: skip
    seen: dict[str, Any] = json.loads((original / "out.json").read_text())
    assert (original / "log.txt").read_text() == "a line of the child\ndone\n"
    assert "the-entry" not in json.dumps(seen)
    assert "repro" not in json.dumps(seen)
    plain = ["/bin/harness", "run", "--resume", "runs/x"]
    assert seen["cmdline"].rstrip("\0").split("\0")[1:] == plain
    assert seen["environ"].strip("\0") == ""
    assert set(seen["cwd"]) <= {str(scratch), ""}
    assert seen["environment"]["HF_HUB_OFFLINE"] == "1"
    assert not seen["environment"].keys() & (told.keys() - {"HF_HUB_OFFLINE"})


def test_variables_that_a_run_needs_are_kept() -> None:
    kept = {
        "PATH": "/bin:/original/bin", "HOME": "/original", "LANG": "C", "LC_ALL": "C",
        "HF_HOME": "/hf", "HARNESS_MIRROR": "/mirror", "CUDA_VISIBLE_DEVICES": "0",
        "https_proxy": "http://proxy", "HTTP_PROXY": "http://proxy", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    left = {"OLDPWD": "/", "GITHUB_SHA": "x", "HARNESS_X": "/original/run", "PS1": "original"}
    assert plain_environment(kept | left, ["/original"]) == kept
