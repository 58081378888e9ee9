"""Strategies of plugins/federated-lora through the real coordinator, client and trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("harness_federated_lora", reason="plugins/federated-lora is not installed")

from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import read_json
from harness.planning.component_checks import adapter_shapes, strategy_context
from harness.planning.forecast import message_bytes
from harness.plugins import load_components
from harness.recipe import Choice

PARAMS = {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]}


def run_of(model: Path, strategy: str, method: str) -> TinyRun:
    run = tiny_run(model, supernodes=4, rounds=2)
    spec = run.spec.with_values(
        peft=Choice(name=f"standard/{method}", params=PARAMS).model_dump(),
        strategy=Choice(name=f"federated-lora/{strategy}").model_dump(),
    )
    return TinyRun(spec, run.challenge, run.assets)


def logits(model: Path, adapter: Path | None) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = base if adapter is None else PeftModel.from_pretrained(base, adapter)
    with torch.no_grad():
        return tuned(input_ids=torch.arange(8)[None]).logits


@pytest.fixture(scope="module")
def untrained(tiny_model: Path) -> Any:
    """What the base alone says."""
    return logits(tiny_model, None)


CASES = [("fedex-lora", "lora"), ("hetlora", "lora"), ("rebased", "pissa")]
"""Those that send more than the factors, or not the same to all; the others are held to their
formulas in tests/plugins/federated_lora."""


@pytest.mark.parametrize(("strategy", "method"), CASES, ids=str)
def test_a_strategy_runs_as_planned_and_its_adapter_is_a_lora_of_the_base(
    strategy: str, method: str, tiny_model: Path, untrained: Any, tmp_path: Path
) -> None:
    run = run_of(tiny_model, strategy, method)
    done = serve(run, tmp_path / "run")
    parts = load_components(run.spec)
    shapes = adapter_shapes(method, parts.method, run.spec.model, parts.peft_params)
    context = strategy_context(run.spec, run.challenge, parts, shapes)
    for item in done.outcome.rounds:
        plan = parts.strategy.plan_of(parts.strategy_params, context, item.round)
        assert item.bytes_down == 2 * message_bytes(plan.down)
        assert item.bytes_up == 2 * message_bytes(plan.up)
        assert item.dependence is not None
        assert item.dependence.derived is not None
    config = read_json(tmp_path / "run/adapter/adapter_config.json")
    assert isinstance(config, dict)
    assert config["init_lora_weights"] is True
    after = logits(tiny_model, tmp_path / "run/adapter")
    # What two rounds of short training change is little; a start left in the base would be much.
    assert 0 < float((after - untrained).norm() / untrained.norm()) < 0.5


def test_a_base_that_peft_took_a_start_out_of_is_itself_again(tiny_model: Path) -> None:
    import torch

    from harness.training.trainer import Trainer

    trainers = []
    for strategy, method in (("rebased", "pissa"), ("fedsvd", "lora")):
        run = run_of(tiny_model, strategy, method)
        parts = load_components(run.spec)
        trainers.append(
            Trainer(run.spec, run.challenge, run.assets, parts.method, parts.peft_params)
        )
    weights = [{n: p for n, p in t.model.named_parameters() if "lora" not in n} for t in trainers]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(values.any() for n, values in trainers[0].initial().items() if "lora_B" in n)
