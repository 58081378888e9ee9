"""What Ray starts goes on as a fork that has its libraries, and by itself where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_run import tiny_run

from harness.federation.job import Job
from harness.federation.simulation import ray_worker
from harness.federation.simulation.forked_clients import client_origin, to_origin

WORKER = """
import json, os, sys
libraries = sorted({"torch", "peft", "transformers", "bitsandbytes"} & set(sys.modules))
import psutil
from ray._raylet import setproctitle
setproctitle("ray::ClientAppActor")
print(json.dumps({
    "arguments": sys.argv[1:], "libraries": libraries, "folder": os.getcwd(),
    "variable": os.environ.get("OF_RAY"), "gone": "OF_THE_ORIGIN" in os.environ,
    "title": psutil.Process().cmdline()[0], "parent": os.getppid(),
}))
sys.exit(3)
"""


@pytest.fixture
def job(tiny_model: Path) -> Job:
    """A run on a CPU."""
    return tiny_run(tiny_model, supernodes=4).job


def worker(path: str, clients: int, folder: Path) -> dict[str, Any]:
    """Return what a worker tells that is started as Ray starts one."""
    program = folder / "worker.py"
    program.write_text(WORKER)
    named = to_origin(path, clients) | {ray_worker.PROGRAM: str(program), "OF_RAY": "1"}
    environment = {k: v for k, v in os.environ.items() if k != "OF_THE_ORIGIN"} | named
    done = subprocess.run(
        [sys.executable, ray_worker.__file__, "--node-id=7"], env=environment, cwd=folder,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return {"error": done.stderr, **json.loads(done.stdout)}


def test_as_many_as_work_at_once_are_forked_and_a_later_one_imports_for_itself(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_ORIGIN", "1")
    with tempfile.TemporaryDirectory() as folder, client_origin(job, folder) as path:
        assert path is not None
        (origin,) = psutil.Process().children()
        told = [worker(path, 2, tmp_path) for _ in range(3)]
        for one in told:
            assert one["arguments"] == ["--node-id=7"]
            assert one["variable"] == "1"
            assert not one["gone"]
            assert one["folder"] == str(tmp_path)
            assert one["error"] == ""
            assert one["title"] == "ray::ClientAppActor", "clients are found by their title"
        whole = ["bitsandbytes", "peft", "torch", "transformers"]
        assert [one["libraries"] for one in told] == [whole, whole, []]
        assert [one["parent"] == origin.pid for one in told] == [True, True, False]
    assert not origin.is_running()
    assert psutil.Process().children() == []


def test_a_worker_goes_on_by_itself_where_the_origin_has_ended(job: Job, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with client_origin(job, folder) as path:
            assert path is not None
            (origin,) = psutil.Process().children()
            origin.kill()
            assert worker(path, 2, tmp_path)["libraries"] == []
        assert worker(path, 2, tmp_path)["libraries"] == []


@pytest.mark.parametrize(("device", "platform"), [("cuda", "linux"), ("cpu", "darwin")])
def test_clients_on_a_gpu_or_a_mac_are_never_forked(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, platform: str
) -> None:
    compute = job.spec.compute.with_values(device=device)
    there = job.with_values(spec=job.spec.with_values(compute=compute))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", platform)
        with client_origin(there, str(tmp_path)) as path:
            assert path is None
            assert psutil.Process().children() == []
    assert to_origin(None, 2) == {}
