"""The record says where a repetition may differ, and only there that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.spec import Compute, RunSpec
from harness.training.determinism import WORKSPACE, be_deterministic, doubts


@pytest.fixture
def spec(tiny_model: Path) -> RunSpec:
    from harness_tiny import TRAIN
    from tiny_run import tiny_run

    be_deterministic(1)
    return tiny_run(tiny_model).spec.with_values(train=TRAIN.with_values(optimizer="adamw_torch"))


def on_gpu(spec: RunSpec, **changes: object) -> RunSpec:
    return spec.with_values(compute=Compute(device="cuda", threads=1), **changes)


def test_a_processor_repeats_itself(spec: RunSpec) -> None:
    assert doubts(spec) == []
    bnb = spec.with_values(train=spec.train.with_values(optimizer="paged_adamw_8bit"))
    assert doubts(bnb) == []


def test_torch_alone_repeats_itself_on_a_gpu(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, ":4096:8")
    assert doubts(on_gpu(spec)) == []
    monkeypatch.setenv(WORKSPACE, ":0:0")
    assert doubts(on_gpu(spec)) == ["CUBLAS_WORKSPACE_CONFIG is ':0:0'"]


def test_bitsandbytes_on_a_gpu_is_named_with_what_uses_it(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, ":4096:8")
    model = spec.model.with_values(quantization="fp4")
    train = spec.train.with_values(optimizer="paged_adamw_8bit")
    [doubt] = doubts(on_gpu(spec, model=model, train=train))
    assert doubt.startswith("bitsandbytes' CUDA kernels (fp4, paged_adamw_8bit) do not promise")


def test_a_plugin_that_switches_it_off_is_found_out(spec: RunSpec) -> None:
    torch.use_deterministic_algorithms(False)
    try:
        assert doubts(spec) == ["torch's deterministic algorithms were switched off"]
    finally:
        be_deterministic(1)
