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
