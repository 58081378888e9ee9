"""A history added to the base is the adapter that is saved in the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.components import HISTORY, RoundPlan
from harness.errors import FederationError
from harness.training.history import history_added

TOKENS = torch.arange(12).reshape(1, 12)
GROWTH = 3


def stacked(trainer: Any) -> dict[str, np.ndarray]:
    """Return an adapter of three times the rank, at random."""
    draw = np.random.default_rng(0)
    arrays = {}
    for name, value in trainer.initial().items():
        axis = 0 if ".lora_A." in name else 1
        shape = [GROWTH * size if i == axis else size for i, size in enumerate(value.shape)]
        arrays[name] = (0.2 * draw.standard_normal(shape)).astype(np.float32)
    return arrays


def history_of(arrays: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    return {
        HISTORY + name: np.float32(scale if ".lora_B." in name else 1) * value
        for name, value in arrays.items()
    }


def logits(model: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=TOKENS, use_cache=False).logits
    return found


def test_the_saved_stack_is_the_history_that_clients_trained_on(
    make_trainer: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from harness.federation.storage.adapter_file import write_adapter

    params = {"r": 4, "alpha": 8, "target_modules": ["q_proj", "down_proj"], "dropout": 0.0}
    trainer = make_trainer(params=params, quantization="none")
    arrays = stacked(trainer)
    initial = {name: values.shape for name, values in trainer.initial().items()}
    write_adapter(tmp_path, arrays, trainer.peft_config(), initial)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (12, 24)

    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    plain = logits(base)
    saved = logits(PeftModel.from_pretrained(base, tmp_path))
    clean = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with history_added(clean, history_of(arrays, 2.0), "cpu"):
        added = logits(clean)
    torch.testing.assert_close(added, saved, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(added, plain, atol=1e-2)
    torch.testing.assert_close(logits(clean), plain)


def test_a_client_trains_on_its_history(make_trainer: Callable[..., Any]) -> None:
    trainer = make_trainer()
    shapes = {name: value.shape for name, value in trainer.initial().items()}
    history = history_of(stacked(trainer), 2.0)
    plan = RoundPlan(
        down={name: value.shape for name, value in history.items()},
        up=shapes,
        train=frozenset(shapes),
    )
    first = trainer.train({}, 1, 0, plan=RoundPlan(down={}, up=shapes, train=frozenset(shapes)))
    later = trainer.train(history, 1, 0, plan=plan)
    assert first.step_losses[0] != later.step_losses[0]
    again = trainer.train({}, 1, 0, plan=RoundPlan(down={}, up=shapes, train=frozenset(shapes)))
    assert again.step_losses == first.step_losses


def test_a_history_of_no_layer_is_refused(make_trainer: Callable[..., Any]) -> None:
    trainer = make_trainer()
    stray = {f"{HISTORY}base_model.model.model.layers.99.x.lora_A.weight": np.zeros((1, 2))}
    with (
        pytest.raises(FederationError, match="is no layer of the model"),
        history_added(trainer.model, stray, "cpu"),
    ):
        pass
