"""A node without the server's folders: it finds its own files, and refuses by name what differs."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import served
from flwr.app import ConfigRecord, Context, RecordDict
from local_grid import LocalGrid
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_file, sha256_text
from harness.errors import PluginError, SourceError
from harness.federation import client
from harness.federation.clientapp import node_assets
from harness.federation.clientapp.node_assets import clients_folder, job_here
from harness.federation.serverapp.transport import Transport
from harness.machine.versions import harness_code
from harness.recipe import WarmStart
from harness.sources.adapters import locate_warm_start


@pytest.fixture
def mirror(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror that has the tiny model, as every node of these tests finds it."""
    shutil.copytree(tiny_model, tmp_path / "mirror" / "models" / "tests" / "tiny")
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "_worker", None)
    return tmp_path / "mirror"


def elsewhere(run: TinyRun) -> TinyRun:
    return TinyRun(run.spec, run.challenge, run.assets.without_paths())


def test_nodes_that_find_their_own_files_give_the_same_digests(
    small: TinyRun, mirror: Path, tmp_path: Path
) -> None:
    expected = serve(small, tmp_path / "here").digests
    assert serve(elsewhere(small), tmp_path / "there").digests == expected
    weights = Path("adapter") / "adapter_model.safetensors"
    assert sha256_file(tmp_path / "here" / weights) == sha256_file(tmp_path / "there" / weights)


def test_what_clients_keep_lies_on_their_node(
    tiny_model: Path, mirror: Path, tmp_path: Path
) -> None:
    run = tiny_run(tiny_model, "fedsa", supernodes=4, rounds=4)
    expected = serve(run, tmp_path / "here").digests
    there = elsewhere(run)
    assert serve(there, tmp_path / "there").digests == expected
    digest = sha256_text(there.job.canonical_json())
    kept = [path.name for path in clients_folder(digest).iterdir()]
    assert kept
    assert not list((tmp_path / "there").glob("clients/*"))
    newest = [name for name in kept if name.endswith("round-000004.safetensors")]
    assert newest
    assert len(kept) < 4 * 4  # tidied by the node itself


def test_another_model_is_refused_before_the_first_round(
    small: TinyRun, mirror: Path, tmp_path: Path
) -> None:
    weights = mirror / "models" / "tests" / "tiny" / "tokenizer_config.json"
    weights.write_text(weights.read_text() + "\n")
    with pytest.raises(
        SourceError,
        match=r"supernode of partition \d: model tests/tiny is .* here \(mirror\), the run was"
        r" begun with .*; provide the same files",
    ):
        serve(elsewhere(small), tmp_path / "run")
    assert not (tmp_path / "run" / "rounds.jsonl").exists()


def test_another_harness_is_refused_before_the_first_round(small: TinyRun, mirror: Path) -> None:
    other = harness_code().with_values(digest="0" * 64)
    job = elsewhere(small).job.with_values(harness=other)
    text = job.canonical_json()
    with pytest.raises(PluginError, match="install that one"):
        job_here(text, sha256_text(text), None)


def test_another_plugin_is_refused_before_the_first_round(small: TinyRun, mirror: Path) -> None:
    [ref, *rest] = small.spec.needed_plugins
    spec = small.spec.with_values(plugins=(ref.with_values(digest="0" * 64), *rest))
    job = TinyRun(spec, small.challenge, small.assets.without_paths()).job
    text = job.canonical_json()
    with pytest.raises(PluginError, match=f"plugin {ref.name!r} is .* install that version"):
        job_here(text, sha256_text(text), None)


def test_a_node_starts_from_the_warm_start_of_its_own_mirror(small: TinyRun, mirror: Path) -> None:
    folder = mirror / "models" / "me" / "first"
    folder.mkdir(parents=True)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(b"weights")
    base = {"base_model_name_or_path": small.spec.model.hub_id}
    (folder / "adapter_config.json").write_text(json.dumps(base))
    warm = WarmStart(adapter="me/first", sha256=sha256_file(weights))
    _, record = locate_warm_start(warm, small.spec.model, mirror)
    spec = small.spec.with_values(extensions=small.spec.extensions.with_values(warm_start=warm))
    there = small.assets.with_values(warm_start="/the/server's/own")
    there = there.with_values(data=(*there.data, record)).without_paths()
    text = TinyRun(spec, small.challenge, there).job.canonical_json()
    assert "server's" not in text
    assert job_here(text, sha256_text(text), None).assets.warm_start == str(weights)
    weights.write_bytes(b"others!")
    node_assets._checked.clear()
    with pytest.raises(SourceError, match="provide that file, or correct"):
        job_here(text, sha256_text(text), None)


def test_an_altered_job_is_refused(small: TinyRun) -> None:
    text = small.job.canonical_json()
    with pytest.raises(PluginError, match="arrived altered"):
        job_here(text.replace("7", "8"), sha256_text(text), None)


def test_a_supernode_names_its_mirror(small: TinyRun, mirror: Path, tmp_path: Path) -> None:
    from flwr.app import Message

    text = elsewhere(small).job.canonical_json()
    header = ConfigRecord({"job": text, "job-sha256": sha256_text(text)})
    asked = Message(RecordDict({"harness": header}), dst_node_id=1, message_type="query")
    config = {"partition-id": 3, "mirror": str(tmp_path / "nothing")}
    context = Context(1, 1, config, RecordDict(), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.federation.clientapp.node_assets._checked", {})
        refused = client.roster(asked, context)
    assert refused.has_error()
    assert "supernode of partition 3: mirror" in str(refused.error.reason)


def test_the_roster_asks_a_few_nodes_at_a_time(
    small: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "Transport", partial(Transport, asked_at_once=2))
    most = 0

    class Counting(LocalGrid):
        def push_messages(self, messages):
            nonlocal most
            ids = super().push_messages(messages)
            most = max(most, len(self.replies))
            return ids

    assert len(serve(small, tmp_path, Counting(4), until=1).digests) == 1
    assert most == 2
