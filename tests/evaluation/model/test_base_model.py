"""The base is upstream's: fp4 values, its pad token, greedy decoding; anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import GenerationConfig

from harness.errors import EvaluationError
from harness.evaluation.model.base_model import PAD_TOKEN, Base, add_pad, check_greedy, load_base


def test_quantizing_once_gives_what_a_four_bit_layer_holds(model_dir: Path, base: Base) -> None:
    from bitsandbytes.functional import dequantize_4bit
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    four_bit = AutoModelForCausalLM.from_pretrained(
        model_dir,
        quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        dtype=torch.float32,
    )
    layers = dict(base.model.named_modules())
    compared = 0
    for name, layer in four_bit.named_modules():
        if type(layer).__name__ == "Linear4bit":
            values = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            assert torch.equal(layers[name].weight, values.float()), name
            compared += 1
    assert compared == 7 * base.model.config.num_hidden_layers


def test_the_output_head_keeps_its_values(model_dir: Path, base: Base) -> None:
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    assert torch.equal(plain.lm_head.weight, base.model.lm_head.weight)


@pytest.mark.parametrize("kind", ["t5", "of-tomorrow"])
def test_a_model_that_cannot_be_loaded_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    save_file({}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EvaluationError, match="transformers cannot load the model") as caught:
        load_base(tmp_path, "cpu", seed=1)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_pads_with_eos_gets_a_pad_of_its_own(base: Base) -> None:
    before = base.model.get_input_embeddings().weight.clone()
    pad = add_pad(base.model, base.tokenizer)
    after = base.model.get_input_embeddings().weight
    assert base.tokenizer.pad_token == PAD_TOKEN
    assert pad == len(before)
    assert torch.equal(after[:pad], before)
    assert torch.allclose(after[pad], before.mean(0), atol=1e-6)
    assert base.model.get_output_embeddings().weight.shape == after.shape


def test_a_tokenizer_with_its_own_pad_is_left_alone(base: Base) -> None:
    base.tokenizer.pad_token = base.tokenizer.convert_ids_to_tokens(7)
    before = base.model.get_input_embeddings().weight.shape
    assert add_pad(base.model, base.tokenizer) == 7
    assert base.model.get_input_embeddings().weight.shape == before


@pytest.mark.parametrize(
    "setting",
    [
        {"do_sample": True},
        {"repetition_penalty": 1.1},
        {"num_beams": 4},
        {"no_repeat_ngram_size": 3},
        {"suppress_tokens": [5]},
        {"max_new_tokens": 10},
    ],
)
def test_a_generation_config_that_is_not_greedy_is_refused(setting: dict[str, object]) -> None:
    config = GenerationConfig(**setting)
    with pytest.raises(EvaluationError, match=next(iter(setting))):
        check_greedy(config, "model")


def test_a_plain_generation_config_passes() -> None:
    check_greedy(GenerationConfig(bos_token_id=1, eos_token_id=[2, 3], pad_token_id=2), "model")
