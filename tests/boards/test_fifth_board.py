"""A new board is a folder: dropped into a copy of the package, it goes all the way to a page.

`weather/board` is the folder: data, and one module of at most 60 lines. Nothing else of the package
is touched; only the model of a smoke run is exchanged for a tiny one, to be quick.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from environment import environment_with

import harness

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOARD = HERE / "weather" / "board"

PLUGIN = """\
from harness import hookimpl
from harness.recipe import Choice, Recipe
from harness_tiny import TRAIN

@hookimpl
def harness_recipes():
    lora = Choice(name="standard/lora", params={"r": 4, "target_modules": ["q_proj", "v_proj"]})
    return [
        Recipe(
            name="fedavg", title="Forecasts", challenge="weather", model="tiny/tiny", peft=lora,
            strategy=Choice(name="standard/fedavg"), train=TRAIN,
        )
    ]
"""

HARNESS = """\
import sys
from harness.cli import main

for arguments in sys.argv[1].split(";"):
    print("$", arguments, flush=True)
    try:
        main(arguments.split())
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with one folder more, and a plugin with a recipe for it."""
    folder = tmp_path_factory.mktemp("site")
    ignore = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(Path(harness.__file__).parent, folder / "harness", ignore=ignore)
    shutil.copytree(BOARD, package / "boards" / "weather", ignore=ignore)
    with open(package / "planning" / "smoke.py", "a") as file:
        file.write("\nfrom harness_tiny import MODEL as SMOKE_MODEL\n")
    (folder / "weather_plugin.py").write_text(PLUGIN)
    info = folder / "weather_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: weather-plugin\nVersion: 1.0\n"
        "Requires-Dist: flowertune-harness\n"
    )
    (info / "entry_points.txt").write_text(
        "[flowertune_harness]\nweather-plugin = weather_plugin\n"
    )
    return folder


def run(site: Path, command: list[str], cwd: Path, **environment: str) -> str:
    """Run Python with the copied package before the installed one; return what it printed."""
    python = site / "environment" / "bin" / "python"
    if not python.exists():
        tests = ROOT / "tests"
        environment_with(site / "environment", site, tests / "tiny", tests)
    done = subprocess.run(
        [python, *command],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def commands(site: Path, cwd: Path, *lines: str) -> str:
    """Run several `harness` commands in one process."""
    return run(site, ["-c", HARNESS, ";".join(lines)], cwd)


def test_its_module_has_at_most_60_lines() -> None:
    (module,) = [path for path in BOARD.glob("*.py") if path.name != "__init__.py"]
    assert len(module.read_text().splitlines()) <= 60
    assert {path.suffix for path in BOARD.iterdir() if path.is_file()} == {".py", ".toml", ".json"}


def test_it_passes_the_properties_of_every_board(site: Path, tmp_path: Path) -> None:
    mirror = HERE / "weather" / "mirror"
    suite = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    files = [str(HERE / name) for name in ("test_board_protocols.py", "test_board_folders.py")]
    out = run(site, [*suite, "-k", "weather", *files], tmp_path, HARNESS_MIRROR=str(mirror))
    assert int(out.split(" passed")[0].split()[-1]) >= 9


def test_it_is_listed_and_planned(site: Path, tmp_path: Path) -> None:
    out = commands(
        site, tmp_path, "challenges", "challenges weather",
        "plan --plugin weather-plugin --smoke",
    )  # fmt: skip
    assert "weather" in out
    assert "skies (12)" in out


@pytest.mark.slow
def test_it_goes_from_a_run_to_a_verified_result(
    site: Path, tmp_path: Path, tiny_model: Path
) -> None:
    model = tmp_path / "mirror" / "models" / "tests" / "tiny"
    model.parent.mkdir(parents=True)
    model.symlink_to(tiny_model)
    commands(
        site, tmp_path,
        "run --plugin weather-plugin --smoke --seed 7 --mirror mirror --out run",
        "verify run",
    )  # fmt: skip
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["challenge"]["id"] == "weather"
    assert result["federation"]["num_supernodes"] == 4
    assert [(score["task"], score["metric"]) for score in result["scores"]] == [
        ("skies", "accuracy"), ("skies", "loglikelihood_accuracy"),
    ]  # fmt: skip
