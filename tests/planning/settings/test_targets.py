"""The layers of a PEFT method are taken as people write them, and stand in a spec by name."""

from __future__ import annotations

from typing import Any

import pytest

from harness.components import spec_of_config
from harness.planning.settings.targets import with_named_targets
from harness.recipe import Choice

SIZES = {
    "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96,
}  # fmt: skip
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.mark.parametrize(
    ("family", "written", "named"),
    [
        ("llama", "all-linear", SEVEN),
        ("mistral", ["all"], SEVEN),
        ("phi3", "all-linear", ["o_proj", "qkv_proj", "gate_up_proj", "down_proj"]),
        ("llama", "q_proj v_proj", ["q_proj", "v_proj"]),
        ("llama", "q_proj, v_proj,", ["q_proj", "v_proj"]),
        ("llama", ["q_proj", "v_proj"], ["q_proj", "v_proj"]),
        ("llama", r".*\.(q|v)_proj", r".*\.(q|v)_proj"),
        ("llama", 3, 3),
    ],
)
def test_layers_are_named(family: str, written: Any, named: Any) -> None:
    model = spec_of_config({"model_type": family, **SIZES}, "o/m", "config.json")
    method = Choice(name="standard/lora", params={"r": 4, "target_modules": written})
    assert with_named_targets(method, model).params == {"r": 4, "target_modules": named}
