"""What is chosen on a GPU, without one: the questions to CUDA are answered here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.plugins import find_model
from harness.recipe import TrainSpec
from harness.training.base_model import compute_dtype
from harness.training.fast.attention import _for_each_query_head
from harness.training.fast.memory import free_memory_bytes
from harness.training.optimizers import make_optimizer


def test_bfloat16_where_a_card_has_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    model = find_model("smollm2-dora/smollm2-135m-instruct", "smollm2-dora").value
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    for major, expected in ((8, torch.bfloat16), (7, torch.float32)):
        card = SimpleNamespace(major=major)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, card=card: card)
        assert compute_dtype(model, "cuda") == expected
    wide = model.with_values(dtype="float32")
    assert compute_dtype(wide, "cuda") == torch.float32


def test_what_torch_holds_back_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 300)
    assert free_memory_bytes("cuda") == 500


@pytest.mark.parametrize(("name", "kind"), [("adamw_torch", "AdamW"), ("sgd", "SGD")])
@pytest.mark.parametrize("on_gpu", [False, True])
def test_optimizers_are_fused_on_a_gpu_only(
    name: str, kind: str, on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(torch.optim, kind, lambda _, **options: asked.update(options))
    parameter: Any = SimpleNamespace(is_cuda=on_gpu)
    make_optimizer(TrainSpec.model_validate({"optimizer": name}), [parameter], 0.1)
    assert asked["fused"] is (True if on_gpu else None)


def test_repeated_heads_attend_as_grouped_ones() -> None:
    torch.manual_seed(0)
    query = torch.randn(1, 6, 5, 8)
    key, value = torch.randn(2, 1, 2, 5, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    expected = attend(query, key, value, enable_gqa=True)
    found = attend(query, *(_for_each_query_head(item, 6) for item in (key, value)))
    torch.testing.assert_close(found, expected)
