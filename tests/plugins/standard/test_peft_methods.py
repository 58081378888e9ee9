"""Tensor names, shapes and order are forecast exactly as peft makes them."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.peft_methods.lora import DORA, LORA, LoraParams
from harness_standard.peft_methods.lycoris import near_square
from hypothesis import given
from hypothesis import strategies as st

from harness.components import ModelSpec
from harness.errors import PluginError
from harness.testing.peft_checks import random_model

TINY = ModelSpec(
    name="tiny", hub_id="none/tiny", layers=2, hidden=32, intermediate=48, heads=4, kv_heads=2,
    vocab=96, quantization="none",
)  # fmt: skip
SMOLLM2_1_7B = ModelSpec(
    name="smollm2-1.7b", hub_id="HuggingFaceTB/SmolLM2-1.7B-Instruct", layers=24, hidden=2048,
    intermediate=8192, heads=32, kv_heads=32, vocab=49152,
)  # fmt: skip
METHODS = {method.name: method for method in PEFT_METHODS}


@pytest.mark.parametrize("method", PEFT_METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize(
    "targets", [None, ("k_proj", "o_proj", "down_proj"), ("mlp.gate_proj", "up_proj")], ids=str
)
def test_forecast_shapes_are_those_of_peft_in_order(method, targets):
    from peft import get_peft_model, get_peft_model_state_dict

    rank = {"r": 4} if "r" in method.params.model_fields else {}
    params = method.params(**rank, **({"target_modules": targets} if targets else {}))
    model = get_peft_model(random_model(TINY), method.configure(TINY, params))
    real = {k: tuple(v.shape) for k, v in get_peft_model_state_dict(model).items()}
    assert list(method.shapes(TINY, params).items()) == list(real.items())


def test_only_b_of_ffa_lora_travels():
    method = METHODS["ffa-lora"]
    sent = method.travelling(TINY, method.params(r=4))
    assert sent
    assert all(".lora_B." in name for name in sent)


@pytest.mark.parametrize("rank", [1, 4, 30])
def test_lokr_forecast_follows_the_rank(rank):
    from peft import get_peft_model, get_peft_model_state_dict

    lokr = METHODS["lokr"]
    params = lokr.params(r=rank, target_modules=("q_proj", "k_proj", "down_proj"))
    model = get_peft_model(random_model(TINY), lokr.configure(TINY, params))
    real = {k: tuple(v.shape) for k, v in get_peft_model_state_dict(model).items()}
    assert list(lokr.shapes(TINY, params).items()) == list(real.items())


@given(st.integers(1, 20_000))
def test_near_square_is_peft_s_factorization(size):
    from peft.tuners.lokr.layer import factorization

    assert near_square(size) == factorization(size, -1)


def test_reference_entry_has_the_published_size():
    params = LoraParams(r=32, alpha=64, target_modules=("gate_proj", "up_proj", "down_proj"))
    shapes = DORA.shapes(SMOLLM2_1_7B, params)
    assert len(shapes) == 216
    assert sum(math.prod(shape) for shape in shapes.values()) == 24_035_328
    message_bytes = sum(4 * math.prod(shape) + 128 for shape in shapes.values())
    assert round(2 * 5 * 12 * message_bytes / 2**20, 2) == 11005.66


def test_scaling_of_lora_and_rslora():
    from peft import get_peft_model

    params = LoraParams(r=16, alpha=32, target_modules=("q_proj",))
    for name, scaling in {"lora": 2.0, "rslora": 8.0}.items():
        model = get_peft_model(random_model(TINY), METHODS[name].configure(TINY, params))
        layer = model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
        assert layer.scaling["default"] == scaling


def test_unknown_target_module_is_named():
    with pytest.raises(PluginError, match=r"'gate_porj'.*gate_proj"):
        LORA.shapes(TINY, LoraParams(target_modules=("gate_porj",)))


def test_plugin_imports_nothing_heavy():
    code = (
        "import sys, harness_standard.plugin;"
        "print([m for m in ('torch', 'peft', 'flwr', 'numpy', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
