"""`harness doctor` says what a run would lack, and what to do, before it is started."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import MissingExtraError
from harness.machine import doctor, versions
from harness.machine.doctor import examine
from harness.machine.machine import Machine


def machine(memory_gib: float = 16, gpu: str | None = None) -> Callable[[], Machine]:
    return lambda: Machine(2, int(memory_gib * 2**30), 256, gpu, 2**30 if gpu else 0)


def verdict(name: str, mirror: Path | None = None) -> str:
    [look] = [item for item in examine(mirror) if item.name == name]
    assert look.verdict == "good" or look.advice
    return look.verdict


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let no test ask the network, and a hub answer unless one says otherwise."""
    state: dict[str, Any] = {"answers": True}

    class Connection:
        def __enter__(self) -> Connection:
            return self

        def __exit__(self, *exit_: object) -> None:
            pass

    def connect(address: tuple[str, int], timeout: float) -> Connection:
        if not state["answers"]:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return Connection()

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return state


def test_a_package_that_a_run_needs_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: object() for name in doctor.RUN_PACKAGES}
    monkeypatch.setattr(importlib.util, "find_spec", known.get)
    assert verdict("packages") == "good"
    del known["peft"]
    assert verdict("packages") == "lacking"


def test_a_package_that_is_installed_in_two_versions_is_refused_before_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A tool that unpacks wheels over others leaves the metadata of both; peft's was seen so."""
    known = {name: object() for name in doctor.RUN_PACKAGES}
    monkeypatch.setattr(importlib.util, "find_spec", known.get)
    monkeypatch.setattr(
        versions, "RUN_PACKAGES", ()
    )  # not all are there where only rules are tested
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(folder: Path, version: str) -> None:
        metadata = folder / f"peft-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: peft\nVersion: {version}\n")

    install(tmp_path, "0.21.0")  # another folder's may be another: the first on the path runs
    assert verdict("packages") == "good"
    versions.require_run_extra()
    install(tmp_path, "0.21.2")
    assert verdict("packages") == "lacking"
    with pytest.raises(MissingExtraError, match=r"peft is installed as 0\.21\.0 and as 0\.21\.2"):
        versions.require_run_extra()


@pytest.mark.parametrize(("gib", "found"), [(3, "good"), (2.99, "lacking")])
def test_memory_is_enough_from_3_gib_on(
    gib: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "this_machine", machine(gib))
    assert verdict("memory") == found


@pytest.mark.parametrize(("gpu", "found"), [("NVIDIA A", "good"), (None, "absent")])
def test_a_run_goes_on_without_a_gpu(
    gpu: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "this_machine", machine(gpu=gpu))
    assert verdict("gpu") == found


@pytest.mark.parametrize(("gib", "found"), [(10, "good"), (9.99, "lacking")])
def test_a_disk_is_enough_from_10_gib_on(
    gib: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = (0, 0, int(gib * 2**30))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("U", (), {"free": usage[2]}))
    assert verdict("disk") == found


def test_a_mirror_stands_in_for_the_hub(hub: dict[str, Any], tmp_path: Path) -> None:
    assert verdict("hub") == "good"
    hub["answers"] = False
    assert verdict("hub") == "lacking"
    (tmp_path / "models").mkdir()
    assert verdict("hub", tmp_path) == "absent"
    assert verdict("mirror", tmp_path) == "good"
    assert verdict("mirror", tmp_path / "models") == "lacking"
    assert verdict("mirror", tmp_path / "none") == "lacking"


def test_what_is_lacking_is_the_exit_code(hub: dict[str, Any]) -> None:
    hub["answers"] = False
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    looks = json.loads(done.stdout)
    assert {"name", "verdict", "found", "advice"} == looks[0].keys()
    assert "not ready for a run" in str(done.exception)
    offline = CliRunner().invoke(cli, ["doctor", "--offline"])
    assert "hub" not in offline.stdout


def test_a_network_that_is_down_is_told_and_a_run_may_do_without(hub: dict[str, Any]) -> None:
    assert verdict("network") == "good"
    hub["answers"] = False
    assert verdict("network") == "absent"


def test_the_kernel_is_asked_what_holds_plugin_code_back(monkeypatch: pytest.MonkeyPatch) -> None:
    [look] = [item for item in examine(None, ask_hub=False) if item.name == "isolation"]
    assert ("Landlock" in look.found) or look.verdict == "absent"
    facts = {"missing": ["no network namespace: EPERM"]}
    answer = subprocess.CompletedProcess([], 0, stdout=json.dumps(facts))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert verdict("isolation") == "absent"


@pytest.mark.parametrize("answer", [OSError("no fork"), subprocess.TimeoutExpired("x", 1)])
def test_a_kernel_that_cannot_be_asked_stops_no_doctor(
    answer: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise answer

    monkeypatch.setattr(subprocess, "run", fail)
    assert verdict("isolation") == "absent"


def test_a_plugin_that_does_not_load_is_named_and_the_others_can_be_used(
    install_plugin: Callable[..., str],
) -> None:
    def asked() -> list[dict[str, Any]]:
        done = CliRunner().invoke(cli, ["doctor", "--offline", "--json"])
        return [look for look in json.loads(done.stdout) if look["name"] == "plugins"]

    install_plugin("fine", "")
    assert [look["verdict"] for look in asked()] == ["good"]
    install_plugin("broken", "import nowhere_to_be_found\n")
    [look] = asked()
    assert look["verdict"] == "absent"
    assert "'broken'" in look["found"]
    assert "nowhere_to_be_found" in look["found"]
