"""The table of families against transformers' models and peft's tensors."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tiny"))
from odd_models import KINDS, SIZES, UNKNOWN, odd_model, odd_spec

from harness.components import spec_of_config
from harness.plugins import find_peft_method
from harness.verify.independent.adapter_shapes import known_shapes

METHODS = ("lora", "dora", "rslora", "vera", "ia3")
RANK = 3


@pytest.fixture(scope="module", params=[*KINDS, *UNKNOWN])
def kind(request: Any) -> str:
    """One family after the other."""
    return str(request.param)


def test_the_whole_model_has_the_weights_of_its_spec(kind: str) -> None:
    model, spec = odd_model(kind, "meta"), odd_spec(kind)
    assert spec.parameters() == sum(item.numel() for item in model.parameters())
    linears = {item.name: item for item in spec.linears()}
    import torch

    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and name != "lm_head":
            item = linears.pop(name)
            assert (item.in_features, item.out_features) == (layer.in_features, layer.out_features)
            assert item.bias == (layer.bias is not None), name
    assert linears == {}


def test_every_method_forecasts_the_tensors_that_peft_makes(kind: str) -> None:
    from peft import get_peft_model, get_peft_model_state_dict

    spec = odd_spec(kind)
    targets = tuple(dict.fromkeys(item.name.rsplit(".", 1)[-1] for item in spec.linears()))
    for name in METHODS:
        method = find_peft_method(f"standard/{name}", "standard").value
        values: dict[str, Any] = {"target_modules": targets}
        if name != "ia3":
            values["r"] = RANK
        params = method.params.model_validate(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device = "cpu" if name == "vera" else "meta"  # peft draws VeRA's pair on the CPU
            adapted = get_peft_model(odd_model(kind, device), method.configure(spec, params))
        made = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        found = [(key, tuple(tensor.shape)) for key, tensor in made.items()]
        assert list(method.shapes(spec, params).items()) == found, name
        second = known_shapes(f"standard/{name}", spec, params.model_dump(), targets, RANK)
        assert second == dict(found), f"the second opinion on {name}"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_config_leaves_out_is_what_transformers_takes(kind: str) -> None:
    from transformers import CONFIG_MAPPING

    said = {**SIZES, "model_type": kind, "num_attention_heads": 32, "hidden_size": 64}
    del said["num_key_value_heads"]
    theirs = CONFIG_MAPPING[kind](**said)
    ours = spec_of_config(said, "o/m", "config.json")
    assert ours.kv_heads == theirs.num_key_value_heads
    assert ours.tied_embeddings == theirs.tie_word_embeddings
    assert ours.attention_bias == getattr(theirs, "attention_bias", False)
    assert ours.head_size == getattr(theirs, "head_dim", 64 // 32)
