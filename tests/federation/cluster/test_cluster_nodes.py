"""Nodes of a Ray cluster before the first round: refused by name, filled in turn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import ray
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_text
from harness.errors import FederationError, PluginError, SourceError, UsageError
from harness.federation.cluster import nodes as module
from harness.federation.cluster.address import refuse_address
from harness.federation.cluster.nodes import Carried, Node, Place, places, report
from harness.federation.engine import federate
from harness.federation.options import Options
from harness.machine.versions import harness_code

HERE, THERE = Node("1", "here (10.0.0.1)", 4), Node("2", "there (10.0.0.2)", 9)


def test_every_node_is_filled_in_turn_as_far_as_its_processors_go() -> None:
    carried = [Carried(HERE, 5, 0.0), Carried(THERE, 2, 0.5)]
    assert places(carried, 2) == [Place(HERE), Place(THERE, 0.5), Place(HERE), Place(THERE, 0.5)]


def test_nodes_without_processors_for_a_client_are_said_to_have_none() -> None:
    with pytest.raises(FederationError, match=r"5 processors for a client; .*--num-cpus"):
        places([Carried(HERE, 5, 0.0)], 5)


@pytest.fixture
def mirror(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mirror of a node, and nothing that an earlier look has left."""
    shutil.copytree(tiny_model, tmp_path / "mirror" / "models" / "tests" / "tiny")
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("harness.federation.clientapp.node_assets._checked", {})
    return tmp_path / "mirror"


def said(run: TinyRun, monkeypatch: pytest.MonkeyPatch, **changed: object) -> Carried:
    """Return what a node says of a job, or raise what the run says of that."""
    job = run.job.with_values(assets=run.assets.without_paths(), **changed)
    text = job.canonical_json()
    answer = report(text, sha256_text(text), 3, 1000)
    monkeypatch.setattr(ray, "get", lambda *given, **options: answer)
    return module._answer(HERE, None)


def test_a_node_that_has_all_says_what_it_carries(
    tiny_model: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(tiny_run(tiny_model), monkeypatch) == Carried(HERE, 1, 0.0)


def test_a_node_with_another_model_is_refused_by_its_name(
    tiny_model: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = mirror / "models" / "tests" / "tiny" / "tokenizer_config.json"
    file.write_text(file.read_text() + "\n")
    with pytest.raises(
        SourceError, match=r"^node here \(10.0.0.1\): model tests/tiny is .* here \(mirror\)"
    ):
        said(tiny_run(tiny_model), monkeypatch)


def test_a_node_with_another_harness_or_plugin_is_refused_by_its_name(
    tiny_model: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tiny_model)
    other = harness_code().with_values(digest="0" * 64)
    with pytest.raises(PluginError, match=r"^node here \(10.0.0.1\): the harness is .* here, the"):
        said(run, monkeypatch, harness=other)
    [ref, *rest] = run.spec.needed_plugins
    spec = run.spec.with_values(plugins=(ref.with_values(digest="0" * 64), *rest))
    with pytest.raises(PluginError, match=r"^node here .*: plugin .* is .* here, the run"):
        said(run, monkeypatch, spec=spec)


def test_a_node_without_the_harness_is_named_and_so_is_one_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without(*given: object, **options: object) -> None:
        raise RuntimeError("Traceback\nModuleNotFoundError: No module named 'harness'\n")

    monkeypatch.setattr(ray, "get", without)
    with pytest.raises(FederationError, match=r"node here .* \(ModuleNotFoundError: .*; install"):
        module._answer(HERE, None)

    def silent(*given: object, **options: object) -> None:
        raise ray.exceptions.GetTimeoutError

    monkeypatch.setattr(ray, "get", silent)
    with pytest.raises(FederationError, match=r"node here \(10.0.0.1\) did not say within 1800 s"):
        module._answer(HERE, None)


def test_a_report_is_json_that_a_ray_task_can_carry(tiny_model: Path, mirror: Path) -> None:
    job = tiny_run(tiny_model).job
    assert "error" in json.loads(report(job.canonical_json(), "0" * 64, 3, 1000))


@pytest.mark.parametrize("address", ["local", "", "ray://10.0.0.1:10001"])
def test_an_address_that_names_no_cluster_to_join_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"names no cluster|must be on a node"):
        refuse_address(address)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"superlink": "local"}, "exclude each other"),
        ({"isolation": "required"}, "the Ray cluster 'auto' runs the clients"),
        ({"keep_steps": True}, "on the machines of the Ray cluster 'auto'"),
        ({"only": 1}, "a replay of one client runs on this machine"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_before_it_is_joined(
    options: dict[str, object], said: str, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        federate(tiny_run(tiny_model).job, tmp_path, Options(ray_address="auto", **options))
