"""Optimizers are what transformers' trainer would make by default."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from transformers import TrainingArguments

from harness.recipe import TrainSpec
from harness.training.optimizers import make_optimizer

DEFAULTS = {item.name: item.default for item in fields(TrainingArguments)}


@pytest.mark.parametrize("name", ["adamw_torch", "adamw_8bit", "paged_adamw_32bit"])
def test_adam_has_the_betas_and_the_epsilon_of_transformers(name: str) -> None:
    weight = torch.nn.Parameter(torch.zeros(4))
    [group] = make_optimizer(TrainSpec(optimizer=name), [weight], 1e-3).param_groups
    assert group["betas"] == (DEFAULTS["adam_beta1"], DEFAULTS["adam_beta2"])
    assert group["eps"] == DEFAULTS["adam_epsilon"]


@pytest.mark.parametrize("name", ["adamw_8bit", "lion_8bit", "paged_adamw_32bit"])
def test_joined_tensors_have_the_bits_of_separate_ones(name: str) -> None:
    from harness.training.optimizers import Joined, _bitsandbytes

    torch.manual_seed(0)
    train = TrainSpec(optimizer=name, weight_decay=0.01)
    shapes = [(32, 256), (256, 32), (256,), (4096,), (5000,), (32, 2048), (2048,)]
    apart = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    together = [torch.nn.Parameter(each.detach().clone()) for each in apart]
    plain = _bitsandbytes(train, apart, 1e-3, False)
    joined = Joined(together, 1e-3, lambda long: _bitsandbytes(train, long, 1e-3, False))
    for step in range(3):
        for one, other in zip(apart, together, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for group in [*plain.param_groups, *joined.param_groups]:
            group["lr"] = 1e-3 * (step + 1)
        plain.step()
        joined.step()
    for one, other in zip(apart, together, strict=True):
        assert torch.equal(one, other)
