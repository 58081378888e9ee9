"""Reading a family's layers from transformers' modules: found, kept, or refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.components import ModelSpec
from harness.errors import SourceError
from harness.sources.hub_model import folder_model
from harness.sources.unknown_family import modules
from harness.sources.unknown_family.module_tree import NoPlainDecoderError

SIZES = {
    "num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "bos_token_id": 0, "eos_token_id": 0,
    "pad_token_id": None,
}  # fmt: skip

FALCON_11B = {
    "model_type": "falcon", "new_decoder_architecture": True, "num_kv_heads": 2,
    "num_ln_in_parallel_attn": 1, "ffn_hidden_size": 48,
}  # fmt: skip
GRANITE_4 = {
    "model_type": "granitemoehybrid", "layer_types": ["attention"] * 3, "num_local_experts": 0,
    "shared_intermediate_size": 80, "mamba_n_heads": 2,
}  # fmt: skip
"""A hybrid whose blocks are all of one kind, without experts."""


def spec_of(**values: Any) -> ModelSpec:
    found = modules.read({**SIZES, **values}, "tests")
    fields = {name: value for name, value in found.items() if value is not None}
    return ModelSpec.model_validate(
        {"name": "m", "hub_id": "o/m", "architecture": values["model_type"]} | fields
    )


@pytest.mark.parametrize(
    ("values", "head_dim", "layers", "switches"),
    [
        ({"model_type": "gemma", "head_dim": 24}, 24, 7, {}),
        ({"model_type": "stablelm", "use_qkv_bias": True}, None, 7, {"use_qkv_bias": True}),
        ({"model_type": "gpt_neox", "attention_bias": False}, None, 4, {"attention_bias": False}),
        ({"model_type": "phi", "tie_word_embeddings": False}, None, 6, {}),
        ({"model_type": "olmo"}, None, 7, {}),
        ({"model_type": "cohere"}, None, 7, {}),
        ({"model_type": "cohere", "use_qk_norm": True}, None, 7, {"use_qk_norm": True}),
        ({"model_type": "stablelm", "qk_layernorm": True}, None, 7, {"qk_layernorm": True}),
        ({"model_type": "apertus"}, None, 6, {}),
        ({"model_type": "falcon", "ffn_hidden_size": 48}, None, 4, {}),
        ({"model_type": "bloom"}, None, 4, {}),
        ({"model_type": "mpt", "no_bias": True}, None, 4, {}),
        ({"model_type": "falcon", "multi_query": False}, None, 4, {"multi_query": False}),
        (FALCON_11B, None, 4, {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 1}),
        (GRANITE_4, None, 6, {"layer_types": "attention", "num_local_experts": 0}),
    ],
    ids=lambda value: value.get("model_type") if isinstance(value, dict) else None,
)
def test_the_spec_has_the_weights_that_transformers_builds(
    values: dict[str, Any], head_dim: int | None, layers: int, switches: dict[str, bool]
) -> None:
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    spec = spec_of(**values)
    assert spec.layout is not None
    assert (spec.head_dim, spec.layout.switches) == (head_dim, switches)
    kind = values["model_type"]
    rest = {key: value for key, value in values.items() if key != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**SIZES, **rest))
    assert spec.parameters() == sum(item.numel() for item in model.parameters())
    found = {
        name: (item.in_features, item.out_features, item.bias is not None)
        for name, item in model.named_modules()
        if isinstance(item, torch.nn.Linear) and item is not model.get_output_embeddings()
    }
    ours = {item.name: (item.in_features, item.out_features, item.bias) for item in spec.linears()}
    assert list(ours.items()) == list(found.items())
    assert len(ours) == 3 * layers


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model_type": "mixtral"}, "mlp.gate.weight of a block.* as in a mixture of experts"),
        (
            {"model_type": "qwen3_moe", "mlp_only_layers": [0, 1, 2]},
            "what makes it plain is no size, and a small model of its family is none .*experts",
        ),
        ({"model_type": "t5"}, "encoder with a decoder"),
        ({"model_type": "gpt2", "n_inner": 48}, "no list of 3 blocks with linear layers"),
        ({"model_type": "gpt2"}, "their layers are of kind Conv1D$"),
        ({"model_type": "mamba"}, "it has no num_attention_heads"),
        ({"model_type": "minicpm3"}, "follows from none of hidden size, heads"),
        (
            {"model_type": "gptj", "rotary_dim": 4},
            "a small model of its family does not follow from sizes alone .RuntimeError",
        ),
        ({"model_type": "starcoder2", "use_bias": "x"}, "tests makes no model of its config.json"),
        ({"model_type": "made-up"}, "tests has no model_type 'made-up'$"),
        ({"model_type": "own", "auto_map": {}}, "model_type 'own', and code out of a model's"),
        ({"model_type": "llava", "vision": {"model_type": "clip"}}, "vision is one of them"),
        ({"model_type": "starcoder2", "num_hidden_layers": 10**9}, "num_hidden_layers is 1000000"),
        ({"model_type": "starcoder2", "vocab_size": -1}, "vocab_size is -1, which is no size"),
        ({"model_type": "gemma4_text"}, "its blocks are not all alike .*head_dim"),
        ({"model_type": "roberta"}, "token_type_embeddings.weight lies beside its blocks, .*]$"),
        ({"model_type": "opt"}, "embed_positions.weight lies .*, as learned positions do$"),
        ({"model_type": "qwen3_5_text"}, "conv1d.weight .* of Conv1d and not of a linear layer$"),
    ],
    ids=lambda value: value.get("model_type") if isinstance(value, dict) else None,
)
def test_what_is_no_plain_decoder_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(NoPlainDecoderError, match=said):
        modules.read({**SIZES, **values}, "tests")


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": "gemma", "head_dim": 8},
        {"model_type": "glm", "head_dim": 8},
        {"model_type": "bloom"},
        {"model_type": "cohere", "use_qk_norm": True},
        {"model_type": "stablelm", "qk_layernorm": True},
        FALCON_11B,
        GRANITE_4,
    ],
    ids=lambda values: values["model_type"],
)
def test_a_smoke_runs_model_is_what_its_spec_says(values: dict[str, Any]) -> None:
    """Gemma and GLM have a head_dim of their own even where heads of it make the hidden size."""
    from harness.planning.smoke import smoke_model
    from harness.testing.peft_checks import random_model

    spec = smoke_model(spec_of(**values))
    assert spec.parameters() == sum(item.numel() for item in random_model(spec).parameters())


def test_a_model_that_looks_ahead_is_none() -> None:
    import torch

    class Ahead(torch.nn.Module):
        def forward(self, input_ids: Any, use_cache: bool) -> Any:
            logits = input_ids.float()[..., None] + input_ids.float().sum()
            return type("Output", (), {"logits": logits})

    with pytest.raises(NoPlainDecoderError, match="tokens after it"):
        modules._refuse_looking_ahead(Ahead())


def test_the_command_reads_them_apart_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "org" / "Star"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**SIZES, "model_type": "starcoder2"}))
    command = [sys.executable, "-c", "from harness.cli import main; main()", "model", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    model = ModelSpec.model_validate(tomllib.loads(done.stdout)["model"])
    assert model == spec_of(model_type="starcoder2").with_values(
        name="star", hub_id="org/Star", layout=model.layout
    )
    assert model.layout is not None
    assert model.layout.library.startswith("transformers ")
    [kept] = (tmp_path / "cache").glob("layout-*.json")
    assert json.loads(kept.read_text())["layers"] == 3


def test_a_config_json_is_read_as_transformers_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hybrid it has an infinite limit, which JSON has no number for."""
    from transformers import CONFIG_MAPPING

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    values = {key: value for key, value in GRANITE_4.items() if key != "model_type"}
    CONFIG_MAPPING["granitemoehybrid"](**SIZES, **values).save_pretrained(tmp_path)
    assert "Infinity" in (tmp_path / "config.json").read_text()
    layout = folder_model(tmp_path, "o/m").layout
    assert layout is not None
    assert layout.parts == spec_of(**GRANITE_4).layout.parts


def test_why_a_model_is_no_plain_decoder_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    for _ in range(2):
        with pytest.raises(SourceError, match="it has no num_attention_heads"):
            folder_model(tmp_path, "org/Bloom")
        monkeypatch.setattr("harness.sources.unknown_family.layouts.run_python", None)
