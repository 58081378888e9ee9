"""The smoke run's adapter is the same to the byte on every Python that the project supports.

Run by `tox -e py311,py312,py313,pythons`, which makes an environment for each Python that it finds
and then comes here. Elsewhere it takes the environments that are there, and one is not enough.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]

ABLE = """
import json, sys
from importlib.util import find_spec
import harness
wanted = ("torch", "transformers", "peft", "flwr", "ray", "lm_eval", "harness_smollm2_dora")
if all(find_spec(name) for name in wanted):
    print(json.dumps([".".join(map(str, sys.version_info[:2])), harness.__file__]))
"""


def interpreters() -> dict[str, str]:
    """Return version -> program of the Pythons that have the libraries and a harness.

    Looked for in `HARNESS_PYTHONS` (programs, joined as in PATH), beside this one, and in `.tox`.
    """
    named = [item for item in os.environ.get("HARNESS_PYTHONS", "").split(os.pathsep) if item]
    made = sorted(str(path) for path in ROOT.glob(".tox/py3*/bin/python"))
    found: dict[str, str] = {}
    for program in [*named, *made, sys.executable]:
        done = subprocess.run(
            [program, "-c", ABLE], capture_output=True, text=True, check=False, cwd=ROOT.parent
        )
        if done.returncode == 0 and done.stdout:
            found.setdefault(json.loads(done.stdout)[0], program)
    return dict(sorted(found.items()))


def smoke_run(program: str, folder: Path) -> dict[str, str]:
    """Return file -> digest of what must not depend on the Python that made it."""
    command = [program, "-c", "from harness.cli import main; main()", "run"]
    command += ["--plugin", "smollm2-dora", "--smoke", "--seed", "7", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)
    assert done.returncode == 0, f"{program}: {done.stderr[-2000:]}"
    files = [folder / "adapter/adapter_model.safetensors", *folder.glob("generations/*.jsonl")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
    }


def test_every_python_makes_the_same_adapter_and_the_same_answers(tmp_path: Path) -> None:
    found = interpreters()
    if len(found) < 2:
        pytest.skip(
            f"one Python with the libraries ({', '.join(found) or 'none'});"
            " `tox -e py311,py312,py313,pythons` makes and tries the others that are installed"
        )
    digests = {
        version: smoke_run(program, tmp_path / version) for version, program in found.items()
    }
    for version, files in digests.items():
        print(version, files["adapter/adapter_model.safetensors"])
    first = next(iter(digests.values()))
    assert len(first) > 1
    assert {version: files for version, files in digests.items() if files != first} == {}
