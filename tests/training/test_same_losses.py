"""The fast step computes what the plain loop computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.plugins import find_peft_method
from harness.training.fast.lowrank import keep_mask, kept_share, row_norms, speed_up

BENCH = Path(__file__).resolve().parents[2] / "bench" / "speed"
TARGETS = ["q_proj", "gate_proj", "up_proj", "down_proj"]

Make = Callable[..., Any]


@pytest.mark.parametrize("name", ["lora", "dora"])
def test_first_20_losses_are_the_plain_loops(
    make_trainer: Make, tiny_model: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from plain_training import plain_run

    params = {"r": 4, "dropout": 0.0, "target_modules": TARGETS}
    trainer = make_trainer(
        name, params, max_steps=20, learning_rate_max=5e-2, optimizer="adamw_torch"
    )
    ours = trainer.train(trainer.initial(), 1, 0)

    method = find_peft_method(f"standard/{name}", "standard").value
    validated = method.params.model_validate(params)
    theirs = plain_run(trainer, str(tiny_model), method, validated, ours.learning_rate)
    assert len(theirs) == 20
    np.testing.assert_allclose(ours.step_losses, theirs, rtol=1e-4)
    assert max(theirs) - min(theirs) > 0.2, "the losses must move for this to say something"


@pytest.mark.parametrize("bias", [False, True])
def test_dropout_of_dora_is_on_the_low_rank_path_alone(bias: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    base = torch.nn.Linear(24, 40, bias=bias)
    config = LoraConfig(r=4, lora_alpha=12, lora_dropout=0.5, use_dora=True, target_modules=["0"])
    adapted = get_peft_model(torch.nn.Sequential(base), config).train()
    layer: Any = adapted.base_model.model[0]
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.nn.init.normal_(b)
    assert speed_up(adapted, torch.float32) == 1
    x = torch.randn(64, 24)
    torch.manual_seed(9)
    found = adapted(x)
    torch.manual_seed(9)
    dropped = x * keep_mask(x, 0.5) / kept_share(0.5)
    factor = layer.lora_magnitude_vector["default"].weight / (base.weight + 3 * b @ a).norm(dim=1)
    expected = factor * (x @ base.weight.T + 3 * dropped @ a.T @ b.T)
    torch.testing.assert_close(found, expected + (base.bias if bias else 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dora", [False, True])
def test_layer_has_pefts_output_and_gradients(dora: bool, bias: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(24, 40, bias=bias))
    config = LoraConfig(r=4, lora_alpha=12, use_dora=dora, target_modules=["0"])
    adapted = get_peft_model(model, config).train()
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    x = torch.randn(2, 7, 24, requires_grad=True)
    pull = torch.randn(2, 7, 40)

    def run() -> list[torch.Tensor]:
        adapted.zero_grad()
        x.grad = None
        out = adapted(x)
        (out * pull).sum().backward()
        trained = [p.grad for p in adapted.parameters() if p.requires_grad]
        return [out.detach(), x.grad, *trained]

    theirs = run()
    assert speed_up(adapted, torch.float32) == 1
    for mine, other in zip(run(), theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_row_norms_are_those_of_the_whole_matrix() -> None:
    torch.manual_seed(0)
    w, a, b = torch.randn(50, 30), torch.randn(4, 30), torch.randn(50, 4)
    expected = (w + 0.7 * b @ a).norm(dim=1)
    torch.testing.assert_close(row_norms(w, w.square().sum(1), a, b, 0.7), expected)


def test_dropout_keeps_the_share_that_it_divides_by() -> None:
    torch.manual_seed(0)
    dropped = 1 - keep_mask(torch.empty(1000, 1000), 0.075).int()
    # 1,000,000 draws: the standard error is 0.00026.
    assert float(dropped.float().mean()) == pytest.approx(0.075, abs=1e-3)
    assert kept_share(0.075) == pytest.approx(0.925, abs=1e-5)
    columns = dropped.float().mean(0)
    assert float((columns - 0.075).abs().max()) < 0.05, "no column may always or never drop"


@pytest.mark.parametrize("exact_peft", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "quantization"), [("lora", "fp4"), ("dora", "nf4")])
def test_the_dequantised_base_has_the_quantized_ones_bits(
    make_trainer: Make,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    quantization: str,
    dtype: str,
    exact_peft: bool,
) -> None:
    params = {"r": 4, "dropout": 0.2, "target_modules": ["v_proj", "up_proj"]}
    choices = {"dtype": dtype, "exact_peft": exact_peft}
    kept = make_trainer(name, params, quantization, **choices)
    monkeypatch.setattr("harness.training.base_model.DEQUANTISED_SHARE", 0.0)
    quantized = make_trainer(name, params, quantization, **choices)
    names = {type(module).__name__ for module in quantized.model.modules()}
    assert "Linear4bit" in names
    assert "Linear4bit" not in {type(module).__name__ for module in kept.model.modules()}
    start = kept.initial()
    ours, theirs = kept.train(start, 1, 0), quantized.train(start, 1, 0)
    assert ours.step_losses == theirs.step_losses
    for key, values in ours.arrays.items():
        np.testing.assert_array_equal(values, theirs.arrays[key])


def test_eight_bits_are_dequantised_as_bitsandbytes_does_on_a_cpu(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"r": 4, "dropout": 0.0, "target_modules": ["v_proj", "up_proj"]}
    kept = make_trainer("lora", params, "int8")
    monkeypatch.setattr("harness.training.base_model._keeps_dequantised", lambda *_: False)
    theirs = make_trainer("lora", params, "int8")
    names = {type(module).__name__ for module in theirs.model.modules()}
    assert "Linear8bitLt" in names
    start = kept.initial()
    assert kept.train(start, 1, 0).step_losses == pytest.approx(
        theirs.train(start, 1, 0).step_losses, rel=1e-6
    )
    monkeypatch.undo()
    dora = make_trainer("dora", params, "int8")
    assert np.isfinite(dora.train(dora.initial(), 1, 0).train_loss)


def test_checkpointing_for_want_of_memory_changes_no_bit(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"r": 4, "dropout": 0.3, "target_modules": TARGETS}
    trainer = make_trainer("dora", params)
    start = trainer.initial()
    kept = trainer.train(start, 1, 0)
    assert not trainer.model.is_activation_checkpointing
    monkeypatch.setattr("harness.training.fast.memory.ACTIVATION_SHARE", 0.0)
    again = trainer.train(start, 1, 0)
    assert trainer.model.is_activation_checkpointing
    assert again.step_losses == kept.step_losses
    for name, values in kept.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
