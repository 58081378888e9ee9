"""Every strategy and every PEFT method of the standard plugin, through the real coordinator, client
and trainer, on a tiny model: what the plan says is what travels, and peft loads what comes out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES
from harness_standard.validity import why_not
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_file
from harness.planning.component_checks import adapter_shapes, strategy_context
from harness.planning.forecast import message_bytes
from harness.plugins import load_components
from harness.recipe import Choice

WEIGHTS = "adapter/adapter_model.safetensors"
PLANNED = [item.name for item in STRATEGIES if item.round_plan is not None]
PARAMS = {
    "dp-server-side": {"noise_multiplier": 0.01},
    "dp-client-side": {"noise_multiplier": 0.01},
}


def run_of(model: Path, strategy: str, method: str = "lora") -> TinyRun:
    plain = {"optimizer": "sgd"} if strategy == "scaffold" else {}
    run = tiny_run(model, supernodes=4, **plain)
    peft = next(item for item in PEFT_METHODS if item.name == method)
    small = {"r": 4} if "r" in peft.params.model_fields else {}
    return TinyRun(
        run.spec.with_values(
            peft=Choice(
                name=f"standard/{method}", params=peft.params(**small).model_dump(mode="json")
            ).model_dump(),
            strategy=Choice(
                name=f"standard/{strategy}", params=PARAMS.get(strategy, {})
            ).model_dump(),
        ),
        run.challenge,
        run.assets,
    )


def check(run: TinyRun, folder: Path, model: Path) -> list[str]:
    """Run it, compare the traffic with the plan, load the adapter; return the digests."""
    done = serve(run, folder)
    components = load_components(run.spec)
    method = components.method
    shapes = adapter_shapes(method.name, method, run.spec.model, components.peft_params)
    context = strategy_context(run.spec, run.challenge, components, shapes)
    plan = partial(components.strategy.plan_of, components.strategy_params, context)
    rounds = done.outcome.rounds
    assert len(rounds) == run.spec.train.rounds == 3
    for item in rounds:
        assert item.bytes_down == 2 * message_bytes(plan(item.round).down)
        assert item.bytes_up == 2 * message_bytes(plan(item.round).up)

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, folder / "adapter")
    with torch.no_grad():
        assert tuned(input_ids=torch.arange(8)[None]).logits.isfinite().all()
    return list(done.digests)


@pytest.mark.parametrize("strategy", [item.name for item in STRATEGIES])
def test_every_strategy_runs_as_planned(strategy: str, tiny_model: Path, tmp_path: Path) -> None:
    check(run_of(tiny_model, strategy), tmp_path / "run", tiny_model)


METHODS = [item.name for item in PEFT_METHODS if not why_not("fedavg", item.name)]


@pytest.mark.filterwarnings("ignore:Specified to not (save|load) vera_A")  # it is the method
@pytest.mark.parametrize("method", METHODS)
def test_every_peft_method_runs_as_planned(method: str, tiny_model: Path, tmp_path: Path) -> None:
    check(run_of(tiny_model, "fedavg", method), tmp_path / "run", tiny_model)


@pytest.mark.parametrize("strategy", PLANNED)
def test_a_strategy_with_a_plan_resumes_to_the_same_bytes(
    strategy: str, tiny_model: Path, tmp_path: Path
) -> None:
    run = run_of(tiny_model, strategy)
    whole = serve(run, tmp_path / "whole")
    serve(run, tmp_path / "stopped", until=2)
    assert serve(run, tmp_path / "stopped").digests == whole.digests
    assert sha256_file(tmp_path / "stopped" / WEIGHTS) == sha256_file(tmp_path / "whole" / WEIGHTS)


@pytest.mark.parametrize("strategy", ["ffa-lora", "rolora"])
def test_a_shared_factor_has_no_aggregation_error(
    strategy: str, tiny_model: Path, tmp_path: Path
) -> None:
    errors = {
        name: [item.aggregation_error for item in serve(run_of(tiny_model, name), tmp_path / name)
               .outcome.rounds]
        for name in (strategy, "fedavg")
    }  # fmt: skip
    assert errors[strategy] == [0.0, 0.0, 0.0]
    assert all(error is not None and error > 0 for error in errors["fedavg"])
