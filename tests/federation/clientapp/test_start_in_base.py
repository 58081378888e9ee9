"""A start out of the base's weights is trained only with a strategy that takes it off again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("peft")

from harness.components import HISTORY
from harness.errors import PluginError
from harness.federation.clientapp.start_in_base import refuse_start_in_base

STARTS = (True, False, "gaussian", "orthogonal")


def refuse(start: Any, dtype: Any, *down: str) -> None:
    """Ask for a start that peft itself makes in one layer."""
    import torch
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    torch.manual_seed(0)
    base = torch.nn.ModuleDict({"q_proj": torch.nn.Linear(48, 32, dtype=dtype)})
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=start)
    state = get_peft_model_state_dict(get_peft_model(base, config))
    first = {name: tensor.detach().float().numpy() for name, tensor in state.items()}
    choices = {"peft": SimpleNamespace(name="my/start"), "strategy": SimpleNamespace(name="a/mean")}
    spec: Any = SimpleNamespace(**choices)
    refuse_start_in_base(spec, down, config, lambda: first)


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
def test_a_strategy_that_does_not_take_the_start_off_is_refused(start: str) -> None:
    import torch

    with pytest.raises(PluginError, match=r"my/start .*'(pissa|olora).*strategy a/mean does not"):
        refuse(start, torch.float32, "q_proj.lora_A.weight")
    refuse(start, torch.float32, "q_proj.lora_A.weight", f"{HISTORY}q_proj.lora_A.weight")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("start", STARTS)
def test_a_start_that_leaves_the_base_alone_is_taken(start: Any, dtype: str) -> None:
    import torch

    refuse(start, getattr(torch, dtype))
