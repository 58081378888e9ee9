"""Nothing that a plugin leaves behind reaches the evaluating process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environment import environment_with
from tiny_run import EVALUATION_KEY, tiny_run

from harness.errors import EvaluationError
from harness.evaluation.sealed import evaluator as module
from harness.evaluation.sealed.order import Order
from harness.processes.startup import Startup, found_by

HOSTILE = {
    "PYTHONPATH": "/evil", "PYTHONHOME": "/evil", "PYTHONSTARTUP": "/evil.py", "PYTHONUTF8": "0",
    "LD_PRELOAD": "/evil.so", "LD_LIBRARY_PATH": "/evil", "HF_HOME": "/evil", "TMPDIR": "/evil",
    "HOME": "/evil", "XDG_CACHE_HOME": "/evil", "TRITON_CACHE_DIR": "/evil",
    "MKL_CBWR": "COMPATIBLE",
    "TRANSFORMERS_CACHE": "/evil", "LC_ALL": "C", "PATH": "/evil", "HARNESS_CACHE": "/evil",
    "CUDA_VISIBLE_DEVICES": "0; evil",
}  # fmt: skip
"""What a plugin may leave in the environment: paths to code, other arithmetic, other caches."""

PROBE = """
import json, os, sys
told = {"environment": dict(os.environ), "path": sys.path, "cwd": os.getcwd(),
        "arguments": sys.orig_argv, "modules": sorted(sys.modules), "isolated": sys.flags.isolated,
        "listed": os.listdir(), "order": json.loads(sys.stdin.readline())["startup"]["path"]}
print(json.dumps(told))
"""

CODE_AT_THE_START = "import sys; open({marker!r}, 'a').write(' '.join(sys.orig_argv) + chr(10))\n"


@pytest.fixture
def order(model_dir: Path, tmp_path: Path) -> Order:
    """An order for this Python."""
    run = tiny_run(model_dir)
    return Order(
        run_dir=str(tmp_path), spec=run.spec, assets=run.assets, device=None, threads=3,
        untrained=False, quiet=True, adapter_sha256=None, key=EVALUATION_KEY,
        startup=found_by(sys.executable),
    )  # fmt: skip


def seen(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the evaluating process finds when it starts."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setattr(module, "START", tmp_path / "probe.py")
    with module.Evaluator(order.threads) as evaluator:
        code, output = evaluator.carry_out(order)
    assert code == 0
    found: dict[str, Any] = json.loads(output)
    return found


def test_environment_path_and_arguments_are_the_same_whatever_is_set(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = seen(order, tmp_path, monkeypatch)
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    hostile = seen(order, tmp_path, monkeypatch)
    for found in (plain, hostile):
        scratch = found["cwd"]
        own = {"HOME": scratch, "TMPDIR": scratch, "HF_HOME": scratch, "OMP_NUM_THREADS": "3"}
        found["environment"].pop("LC_CTYPE", None)  # Python's own, by its locale coercion
        assert found["environment"] == module.ENVIRONMENT | own
        assert found["isolated"] == 1
        assert found["listed"] == []
        assert "site" not in found["modules"]
        assert found["arguments"][1:5] == ["-I", "-S", "-X", "utf8"]
        assert EVALUATION_KEY not in json.dumps([found["arguments"], found["environment"]])
        assert found["order"] == list(order.startup.path)
        assert not Path(scratch).exists()
    assert plain["path"] == hostile["path"]


@pytest.mark.parametrize("gpus", ["0", "0,1", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", ""])
def test_the_choice_of_gpus_is_taken_over(gpus: str) -> None:
    found = module.sealed_environment({"CUDA_VISIBLE_DEVICES": gpus}, "/scratch", 1)
    assert found.get("CUDA_VISIBLE_DEVICES", "") == gpus


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python of this test, whose site folder may be written to."""
    return environment_with(tmp_path / "environment")


def site_of(python: Path) -> Path:
    [site] = (python.parent.parent / "lib").glob("python*/site-packages")
    return site


@pytest.mark.parametrize("name", ["evil.pth", "sitecustomize.py", "usercustomize.py"])
def test_what_python_would_run_by_itself_and_came_later_ends_the_run_by_name(
    name: str, python: Path
) -> None:
    before = found_by(str(python))
    before.refuse_changes()
    file = site_of(python) / name
    file.write_text("import os\n")
    with pytest.raises(EvaluationError, match=rf"{name} appeared after this command had begun"):
        before.refuse_changes()
    file.unlink()
    before.refuse_changes()


def test_a_changed_or_vanished_file_is_named_too(python: Path) -> None:
    before = found_by(str(python))
    file = site_of(python) / "tests.pth"
    text = file.read_text()
    file.write_text(f"{text}/elsewhere\n")
    with pytest.raises(EvaluationError, match=r"tests\.pth changed after"):
        before.refuse_changes()
    file.unlink()
    with pytest.raises(EvaluationError, match=r"tests\.pth vanished after"):
        before.refuse_changes()
    file.write_text(text)
    config = python.parent.parent / "pyvenv.cfg"
    config.write_text("home = /evil\n" + config.read_text())
    with pytest.raises(EvaluationError, match=r"pyvenv\.cfg changed after"):
        before.refuse_changes()


def test_a_module_of_the_harness_that_changed_is_named() -> None:
    found = found_by(sys.executable)
    name = next(name for name in found.harness if name.endswith("evaluation/scores.py"))
    other: Startup = found.with_values(harness=found.harness | {name: "0" * 64})
    with pytest.raises(EvaluationError, match=r"evaluation/scores\.py changed after"):
        other.refuse_changes()


def test_what_was_there_from_the_start_is_recorded_and_still_not_run(
    python: Path, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = found_by(str(python)).sha256
    marker = tmp_path / "marker"
    for name in ("tools.pth", "sitecustomize.py"):
        (site_of(python) / name).write_text(CODE_AT_THE_START.format(marker=str(marker)))
    found_by.cache_clear()
    found = found_by(str(python))
    assert found.sha256 != plain
    monkeypatch.setattr(sys, "executable", str(python))
    told = seen(order.with_values(startup=found), tmp_path, monkeypatch)
    started = marker.read_text().splitlines()
    assert any("json.dumps" in line for line in started)  # the question after the path ran it
    assert not any(str(module.START) in line for line in started)
    assert os.path.realpath(told["path"][-1]) != str(site_of(python))


def test_a_log_that_nobody_can_read_costs_no_evaluation(tmp_path: Path) -> None:
    """What was said stays in a buffer that cannot be written when the process ends either."""
    speaks = (
        "import sys\nload_ahead = None\n"
        "def main(order):\n sys.stderr.write('half a line')\n return 7\n"
    )
    for name, text in {
        "__init__": "",
        "kernel/digesting": "begun_digest = None",
        "document/file_digests": "begun = {}",
        "evaluation/sealed/evaluating": speaks,
    }.items():
        file = tmp_path / "harness" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = found_by(sys.executable)
    path = [str(tmp_path), *found.path]
    first = {"startup": {**found.model_dump(), "path": path}, "ahead": False, "files": []}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(module.START)],
            input=json.dumps(first) + "\n\n", stderr=full, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 7
