"""A recipe may name a hub id alone: its config.json is found, becomes a spec, and is frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.components import ModelSpec
from harness.errors import HarnessError, PluginError, SourceError
from harness.planning.resolve import Request, resolve
from harness.sources.hub_model import MAX_CONFIG_BYTES, folder_model, hub_model, read_config

QWEN = {
    "model_type": "qwen3", "num_hidden_layers": 28, "hidden_size": 1024, "intermediate_size": 3072,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "tie_word_embeddings": True,
}  # fmt: skip
NAME = "Qwen/Qwen3-0.6B"


@pytest.fixture
def qwen_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mirror that holds one config.json, and leave no other source."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv("HARNESS_MIRROR", raising=False)
    folder = tmp_path / "models" / NAME
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(QWEN))
    return tmp_path


def plan(mirror: Path, model: str, *overrides: str) -> Any:
    """Resolve the laptop recipe with another model."""
    sets = (f"model={model}", *overrides)
    lookup = partial(hub_model, mirror=mirror)
    return resolve(Request("smollm2-dora/135m", overrides=sets), hub_models=lookup)


def test_a_hub_id_alone_is_resolved_and_frozen_in_the_spec(qwen_mirror: Path) -> None:
    found = plan(qwen_mirror, NAME, "model.dtype=float32", "peft.target_modules=['q_proj']")
    model = found.spec.model
    assert (model.hub_id, model.architecture, model.head_dim) == (NAME, "qwen3", 128)
    assert model.dtype == "float32"
    assert found.spec.model == ModelSpec.model_validate_json(model.canonical_json())
    assert found.violations == ()


def test_the_cache_s_commit_is_the_revision(qwen_mirror: Path) -> None:
    commit = "b" * 40
    cached = qwen_mirror / "hf" / "models--Qwen--Cached"
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "snapshots" / commit / "config.json").write_text(json.dumps(QWEN))
    (cached / "refs").mkdir()
    for branch in ("main", "small"):
        (cached / "refs" / branch).write_text(commit)
    assert plan(qwen_mirror, "Qwen/Cached").spec.model.revision == commit
    assert plan(qwen_mirror, "Qwen/Cached", "model.revision=small").spec.model.revision == commit


def test_a_name_that_is_neither_plugin_nor_model_says_both(qwen_mirror: Path) -> None:
    with pytest.raises(SourceError, match=r"none of the sources.*did you mean .smollm2-dora"):
        plan(qwen_mirror, "smolm2-dora/smollm2-135m-instruct")
    with pytest.raises(PluginError, match="hub ids are not looked up here"):
        resolve(Request("smollm2-dora/135m", overrides=(f"model={NAME}",)))


def test_code_of_a_model_s_own_runs_only_where_it_is_asked_for(qwen_mirror: Path) -> None:
    folder = qwen_mirror / "models" / "internlm" / "internlm3"
    folder.mkdir(parents=True)
    values = {**QWEN, "model_type": "internlm3", "head_dim": None}
    (folder / "config.json").write_text(json.dumps(values))
    [refused] = plan(qwen_mirror, "internlm/internlm3").violations
    assert (refused.rule, "trust_remote_code=true" in refused.expected) == ("own-code", True)
    assert not plan(qwen_mirror, "internlm/internlm3", "model.trust_remote_code=true").violations


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "list instead of an object"), ("{", "config.json"), ('{"a": 1, "a": 2}', "twice")],
)
def test_a_config_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(HarnessError, match=said):
        folder_model(tmp_path, "o/m")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("adapter_config.json", "but an adapter; name the model that it was trained on"),
        ("Qwen3-0.6B-Q4_K_M.gguf", "but GGUF files, which are not read; name the model that they"),
    ],
)
def test_what_is_no_model_is_said_to_be_what_it_is(
    qwen_mirror: Path, there: str, said: str
) -> None:
    (qwen_mirror / "models" / NAME / "config.json").rename(qwen_mirror / "models" / NAME / there)
    with pytest.raises(SourceError, match=said):
        hub_model(NAME, mirror=qwen_mirror)


def test_a_config_of_a_mebibyte_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(QWEN).ljust(MAX_CONFIG_BYTES))
    assert read_config(tmp_path) == QWEN
    path.write_text(json.dumps(QWEN).ljust(MAX_CONFIG_BYTES + 1))
    with pytest.raises(SourceError, match="1,048,576 bytes"):
        read_config(tmp_path)


def test_harness_model_prints_what_a_recipe_can_hold(qwen_mirror: Path) -> None:
    import tomllib

    def harness(*arguments: str) -> str:
        command = [sys.executable, "-c", "from harness.cli import main; main()", "model"]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=True
        ).stdout

    printed = harness(NAME, "--mirror", str(qwen_mirror))
    assert printed.startswith("# 596,049,920 parameters, 440,401,920 of them in the linear layers")
    spec = hub_model(NAME, mirror=qwen_mirror)
    assert ModelSpec.model_validate(tomllib.loads(printed)["model"]) == spec
    folder = qwen_mirror / "models" / NAME
    assert json.loads(harness(str(folder), "--json")) == spec.model_dump(mode="json")
