"""A model is what its config.json says: sizes, biases, fused layers, forecasts; without torch."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

from harness.components import ModelSpec, spec_of_config
from harness.components.model_config import LARGEST_SIZE, MOST_LAYERS
from harness.document import digest_of
from harness.errors import PluginError, SourceError
from harness.planning.forecast import message_bytes_legacy
from harness.plugins import find_peft_method

SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
FUSED = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
MIB = 2**20


def config(kind: str, *sizes: int, **more: Any) -> dict[str, Any]:
    """Return a config.json of layers, hidden, intermediate, heads, kv heads, vocab."""
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
             "num_key_value_heads", "vocab_size")  # fmt: skip
    return {"model_type": kind, **dict(zip(names, sizes, strict=True)), **more}


QWEN3_06 = config("qwen3", 28, 1024, 3072, 16, 8, 151936, head_dim=128, tie_word_embeddings=True)
QWEN3_4 = config("qwen3", 36, 2560, 9728, 32, 8, 151936, head_dim=128, tie_word_embeddings=True)
QWEN25_05 = config("qwen2", 24, 896, 4864, 14, 2, 151936, tie_word_embeddings=True)
GEMMA2_2 = config("gemma2", 26, 2304, 9216, 8, 4, 256000, head_dim=256)
GEMMA3_270 = config("gemma3_text", 18, 640, 2048, 4, 1, 262144, head_dim=256)
PHI4_MINI = config("phi3", 32, 3072, 8192, 24, 8, 200064, tie_word_embeddings=True)
UNTIED = {"tie_word_embeddings": False}
TIED = {"tie_word_embeddings": True}
WHOLE = {
    "Llama-3.1-8B": (
        config("llama", 32, 4096, 14336, 32, 8, 128256, rope_scaling={"factor": 8.0}, **UNTIED),
        8_030_261_248,
    ),
    "Llama-3.2-1B": (
        config("llama", 16, 2048, 8192, 32, 8, 128256, head_dim=64, **TIED),
        1_235_814_400,
    ),
    "Mistral-Nemo": (
        config("mistral", 40, 5120, 14336, 32, 8, 131072, head_dim=128),
        12_247_782_400,
    ),
    "Mistral-7B-v0.3": (
        config("mistral", 32, 4096, 14336, 32, 8, 32768, sliding_window=None),
        7_248_023_552,
    ),
    "Qwen2.5-7B": (config("qwen2", 28, 3584, 18944, 28, 4, 152064, **UNTIED), 7_615_616_512),
    "Qwen2.5-1.5B": (config("qwen2", 28, 1536, 8960, 12, 2, 151936, **TIED), 1_543_714_304),
    "gemma-3-1b": (config("gemma3_text", 26, 1152, 6912, 4, 1, 262144, head_dim=256), 999_885_952),
    "phi-4": (config("phi3", 40, 5120, 17920, 40, 10, 100352, **UNTIED), 14_659_507_200),
    "Phi-4-mini": (PHI4_MINI | {"partial_rotary_factor": 0.75}, 3_836_021_760),
    "OLMo-2-1B": (config("olmo2", 16, 2048, 8192, 16, 16, 100352, **UNTIED), 1_484_916_736),
    "SmolLM3-3B": (config("smollm3", 36, 2048, 11008, 16, 4, 128256), 3_075_098_624),
    "granite-3.1-2b": (config("granite", 40, 2048, 8192, 32, 8, 49155, **TIED), 2_533_531_648),
    "gemma-2-2b": (GEMMA2_2, 2_614_341_888),
    "Qwen2.5-0.5B": (QWEN25_05, 494_032_768),
}
"""Model -> config.json, and the parameters that the hub shows of it."""
INTERNLM3 = config("internlm3", 48, 4096, 10240, 32, 2, 128512, head_dim=128, qkv_bias=False)
"""Source: each model's config.json on the hub."""


def shapes_of(value: dict[str, Any], method: str, rank: int, targets: tuple[str, ...]) -> Any:
    """Return the tensors that a method of `standard` forecasts."""
    found = find_peft_method(f"standard/{method}", "standard").value
    params = found.params.model_validate({"r": rank, "target_modules": targets})
    return found.shapes(spec_of_config(value, "org/Model", "config.json"), params)


@pytest.mark.parametrize(
    ("value", "method", "rank", "targets", "parameters"),
    [
        (QWEN3_06, "dora", 8, SEVEN, 5_390_336),
        (QWEN3_4, "dora", 8, SEVEN, 17_620_992),
        (GEMMA2_2, "dora", 8, ("q_proj", "v_proj"), 1_677_312),
        (GEMMA3_270, "lora", 4, ("q_proj", "v_proj"), 184_320),
        (PHI4_MINI, "dora", 16, FUSED, 23_953_408),
    ],
    ids=["qwen3-0.6b", "qwen3-4b", "gemma-2-2b", "gemma-3-270m", "phi-4-mini"],
)
def test_adapters_of_real_models_have_the_parameters_that_peft_makes(
    value: dict[str, Any], method: str, rank: int, targets: tuple[str, ...], parameters: int
) -> None:
    """Source of the numbers: peft on models of these configurations, on the meta device."""
    assert sum(prod(shape) for shape in shapes_of(value, method, rank, targets).values()) == (
        parameters
    )


def test_a_published_run_of_qwen3_4b_sends_what_it_published() -> None:
    shapes = shapes_of(QWEN3_4, "dora", 8, SEVEN)
    assert round(20 * 2 * 2 * message_bytes_legacy(shapes) / MIB, 2) == 5384.88


def test_phi4_mini_has_fused_layers_and_no_other() -> None:
    assert len(shapes_of(PHI4_MINI, "dora", 16, FUSED)) == 384
    with pytest.raises(PluginError, match=r"'q_proj' matches no linear layer .*qkv_proj"):
        shapes_of(PHI4_MINI, "dora", 16, ("q_proj", "v_proj"))


@pytest.mark.parametrize("model", WHOLE)
def test_the_base_has_the_weights_of_the_hub_s_model(model: str) -> None:
    value, parameters = WHOLE[model]
    assert spec_of_config(value, "org/Model", "config.json").parameters() == parameters


def test_a_target_of_another_family_is_answered_with_every_layer_that_there_is() -> None:
    with pytest.raises(PluginError) as caught:
        shapes_of(PHI4_MINI, "dora", 16, ("up_proj",))
    assert str(caught.value).endswith("its layers: down_proj, gate_up_proj, o_proj, qkv_proj")


def test_a_family_with_code_of_its_own_is_known_by_its_sizes() -> None:
    spec = spec_of_config(INTERNLM3, "internlm/internlm3-8b-instruct", "config.json")
    assert (spec.name, spec.head_dim) == ("internlm3-8b-instruct", None)
    assert {item.name.rsplit(".", 1)[-1] for item in spec.linears()} == set(SEVEN)


def test_a_spec_of_before_is_written_as_before() -> None:
    before = {
        "name": "m", "hub_id": "o/m", "revision": "main", "architecture": "llama", "layers": 2,
        "hidden": 32, "intermediate": 64, "heads": 2, "kv_heads": 1, "vocab": 96,
        "tied_embeddings": True, "quantization": "fp4", "dtype": "bfloat16",
        "trust_remote_code": False, "licence": "",
    }  # fmt: skip
    spec = ModelSpec.model_validate(before)
    assert spec.model_dump(mode="json") == before
    odd = spec.with_values(head_dim=24, attention_bias=True)
    assert digest_of(odd) != digest_of(spec)
    assert ModelSpec.model_validate_json(odd.canonical_json()) == odd


def test_one_model_has_one_spec_however_its_config_spells_the_width_of_a_head() -> None:
    plain = config("llama", 2, 32, 64, 2, 1, 96)
    assert spec_of_config(plain, "o/m", "f") == spec_of_config(
        plain | {"head_dim": 16, "attention_bias": None, "tie_word_embeddings": False}, "o/m", "f"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bloom"}, r"model_type 'bloom' is no family .*llama, mistral, qwen2"),
        ({"model_type": ["llama"]}, "no family"),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, "text and images"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": True}, "hidden_size is 'True'; expected a whole number"),
        ({"num_hidden_layers": MOST_LAYERS + 1}, "num_hidden_layers is '1001'"),
        ({"vocab_size": LARGEST_SIZE + 1}, "vocab_size is '10000001'"),
        ({"vocab_size": 0}, "vocab_size is '0'"),
        ({"num_attention_heads": 3}, "hidden is a multiple of heads"),
        ({"attention_bias": "yes"}, "attention_bias is 'yes'; expected true or false"),
        ({"quantization_config": {"bits": 4}}, "quantized already"),
    ],
)
def test_a_config_that_is_no_known_model_s_is_refused_in_a_sentence(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        spec_of_config(config("llama", 2, 32, 64, 2, 1, 96) | changes, "o/m", "config.json")


def test_sizes_up_to_the_limits_are_taken() -> None:
    large = config("llama", MOST_LAYERS, 32, 64, 2, 1, LARGEST_SIZE)
    spec = spec_of_config(large, "o/m", "config.json")
    assert (spec.layers, spec.vocab) == (MOST_LAYERS, LARGEST_SIZE)


def test_a_bias_that_the_family_does_not_leave_open_is_refused() -> None:
    values = spec_of_config(config("mistral", 2, 32, 64, 2, 1, 96), "o/m", "f").model_dump()
    with pytest.raises(ValueError, match="mistral leaves no choice"):
        ModelSpec.model_validate(values | {"attention_bias": True})
