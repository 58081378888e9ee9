"""The GPU's mixed precision, run on a CPU: the same code in bfloat16, without a kernel of CUDA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from harness.plugins import find_peft_method
from harness.training.fast.lowrank import speed_up
from harness.training.fast.norms import speed_up_norms

Make = Callable[..., Any]
TARGETS = ["q_proj", "gate_proj", "down_proj"]


@pytest.fixture
def in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a CPU compute in what a GPU computes in."""
    for module in ("base_model", "gradients"):
        monkeypatch.setattr(f"harness.training.{module}.compute_dtype", lambda *_: torch.bfloat16)


@pytest.mark.parametrize("name", ["lora", "dora"])
@pytest.mark.parametrize("quantization", ["fp4", "none"])
def test_losses_follow_those_of_float32(
    make_trainer: Make, name: str, quantization: str, request: pytest.FixtureRequest
) -> None:
    params = {"r": 4, "dropout": 0.1, "target_modules": TARGETS}
    more: dict[str, Any] = {"max_steps": 10, "learning_rate_max": 2e-2, "optimizer": "adamw_torch"}
    whole = make_trainer(name, params, quantization, **more)
    start = whole.initial()
    expected = whole.train(start, 1, 0)
    request.getfixturevalue("in_bfloat16")
    mixed = make_trainer(name, params, quantization, **more)
    found = mixed.train(start, 1, 0)
    assert found.dtype == "bfloat16"
    assert {v.dtype for v in found.arrays.values()} == {np.dtype(np.float32)}
    assert found.step_losses != expected.step_losses
    np.testing.assert_allclose(found.step_losses, expected.step_losses, rtol=0.02)
    assert max(found.step_losses) - min(found.step_losses) > 0.1


def test_norms_are_not_rounded() -> None:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    torch.manual_seed(0)
    holder = torch.nn.Sequential(LlamaRMSNorm(512))
    x = torch.randn(3, 512)
    expected = holder(x)
    assert speed_up_norms(holder) == 1
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(holder(x), expected)


def test_autocast_has_no_say_in_an_adapted_layer() -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32, bias=False))
    adapted = get_peft_model(model, LoraConfig(r=4, use_dora=True, target_modules=["0"]))
    assert speed_up(adapted, torch.float32) == 1
    x = torch.randn(3, 64)
    with torch.autocast("cpu", torch.bfloat16):
        inside = adapted(x)
    torch.testing.assert_close(inside, adapted(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["vera", "ia3", "loha", "lokr", "rslora"])
@pytest.mark.parametrize("quantization", ["fp4", "int8", "none"])
def test_other_methods_train_in_it(
    make_trainer: Make, in_bfloat16: None, name: str, quantization: str
) -> None:
    method = find_peft_method(f"standard/{name}", "standard").value
    params = method.params.model_validate({"target_modules": TARGETS}).model_dump()
    trainer = make_trainer(name, params, quantization, optimizer="adamw_torch")
    start = trainer.initial()
    after = trainer.train(start, 1, 0).arrays
    assert all(np.isfinite(values).all() for values in after.values())
    assert any(not np.array_equal(after[key], start[key]) for key in start)
