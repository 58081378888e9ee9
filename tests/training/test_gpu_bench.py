"""The script that measures a GPU, rehearsed on a CPU."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "gpu.py"


def requirements(names: list[str]) -> dict[str, Distribution]:
    """Return the distributions of these names and of all that they ask for, extras left out."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            asked = [Requirement(line) for line in found[name].requires or ()]
            waiting += [item.name for item in asked if not item.marker or item.marker.evaluate()]
    return found


def bare_environment(folder: Path) -> Path:
    """Return a folder of links to what the script says it needs, and to nothing else."""
    needed = runpy.run_path(str(SCRIPT))["NEEDED"]
    owners = packages_distributions()
    folder.mkdir()
    for item in requirements([owners[module][0] for module in needed]).values():
        for top in {file.parts[0] for file in item.files or ()} - {".."}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(item.locate_file(top))))
    return folder


def test_a_rehearsal_needs_what_it_names_and_measures_every_section_that_is_asked_for(
    tmp_path: Path,
) -> None:
    wanted = ["card", "steps", "losses", "repeat", "evaluation"]
    file = tmp_path / "gpu.json"
    command = [sys.executable, "-S", str(SCRIPT), "--rehearse", "--json", str(file), "--only"]
    site = bare_environment(tmp_path / "site")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(site)}
    done = subprocess.run(
        [*command, *wanted],
        capture_output=True, text=True, cwd=tmp_path, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(file.read_text())
    assert set(result["sections"]) == set(wanted)
    for method in ("dora", "lora"):
        for form in ("modules", "fused"):
            found = result["sections"]["losses"][method][form]
            assert found["largest_relative_difference"] < 1e-3
    assert result["sections"]["repeat"]["equal"]
    plain = result["sections"]["evaluation"]["plain"]
    assert plain["equal"] == plain["rows"] > 0
    assert "| dora, fused, ms a step" in done.stdout


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(SCRIPT), "--rehearse"],
        capture_output=True, text=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "not installed: torch, transformers" in done.stderr
    assert "pip install torch transformers" in done.stderr
    assert done.stderr.endswith(" pluggy . ./plugins/standard ./plugins/smollm2-dora\n")
