"""An exported app, run by Flower's own command as its README says, gives the digests of a run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from environment import environment_with
from served import serve
from tiny_run import TinyRun

from harness.document import sha256_file
from harness.federation.simulation.environment import child_environment
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.app_directory import write_app
from harness.federation.superlink.local_superlink import local_superlink, program
from harness.library_internals.ray import ray_folder
from harness.processes.lifetime import Guardian

TINY = Path(__file__).parents[2] / "tiny"
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def tiny_python(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's commands are those of an environment in which the tiny plugin is installed."""
    python = environment_with(tmp_path_factory.mktemp("environment"), TINY)
    monkeypatch.setattr(sys, "executable", str(python))


WEIGHTS = Path("adapter") / "adapter_model.safetensors"


def flwr_run(run: TinyRun, app: Path, *config: str) -> str:
    """Do what the app's README says, on a SuperLink of this test; return what Flower printed."""
    [line] = re.findall(r"^    flwr (run .+)$", (app / "README.md").read_text(), re.M)
    words = shlex.split(line)
    home = Path(ray_folder("harness-flwr-"))
    environment = child_environment(run.spec, str(home))
    with (
        Guardian(str(home)),
        local_superlink(home, environment, app, threading.Event()) as (name, env),
    ):
        words.insert(words.index(".") + 1, name)
        done = subprocess.run(
            [program("flwr"), *words, "--run-config", " ".join(config)],
            cwd=app, env=dict(env), check=False, capture_output=True, text=True,
        )  # fmt: skip
    return done.stdout + done.stderr


def test_flwr_run_of_an_exported_app_gives_the_same_bytes(
    small: TinyRun, tiny_model: Path, tmp_path: Path
) -> None:
    expected = serve(small, tmp_path / "plain").digests
    shutil.copytree(tiny_model, tmp_path / "mirror" / "models" / "tests" / "tiny")
    app, out = tmp_path / "app", tmp_path / "run"
    write_app(app, small.spec, small.challenge)
    paths = [f'run-dir="{out}"', f'mirror="{tmp_path / "mirror"}"']
    printed = flwr_run(small, app, *paths)
    found = [item.digest for item in Ledger(out).rounds]
    assert found == expected, printed[-3000:]
    assert sha256_file(out / WEIGHTS) == sha256_file(tmp_path / "plain" / WEIGHTS)
    assert "Traceback" not in printed
    # What is evaluated afterwards is a run directory like any other.
    assert (out / "spec.json").is_file()
    assert (out / "assets.json").is_file()


def test_a_value_changed_on_the_command_line_is_refused_in_a_sentence(
    small: TinyRun, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    write_app(app, small.spec, small.challenge, run_dir=str(tmp_path / "run"))
    change = 'static.dataset.name="another"'
    printed = flwr_run(small, app, change)
    assert "run config static.dataset.name is" in printed, printed[-3000:]
    assert not (tmp_path / "run").exists()
