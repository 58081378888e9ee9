"""What a run will send is what the checker's second opinion says that it has sent."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.machine.machine import Machine
from harness.planning.forecast import (
    evaluation_s,
    message_bytes,
    message_bytes_legacy,
    total_messages,
)
from harness.planning.resolve import Request, Resolved, resolve
from harness.verify.independent.adapter_shapes import known_shapes
from harness.verify.independent.round_messages import growth, moves

LAPTOP = Machine(
    cores=2, memory_bytes=24 * 2**30, vector_bits=256, gpu_name=None, gpu_free_bytes=0
)  # fmt: skip


def planned(*sets: str, **more: Any) -> Resolved:
    request = Request("smollm2-dora/135m", overrides=("rounds=4", *sets), **more)
    return resolve(request, LAPTOP)


def as_recorded(plan: Resolved) -> Any:
    """Return as much of a record under check as the second opinion looks at."""
    spec = plan.spec
    names = tuple(spec.peft.params["target_modules"])
    record = SimpleNamespace(spec=spec, adapter=SimpleNamespace(tensors=[]))
    seen = SimpleNamespace(record=record, challenge=plan.challenge, memo={})
    rank = spec.peft.params["r"] * growth(spec, plan.challenge)
    shapes = known_shapes(spec.peft.name, spec.model, spec.peft.params, names, rank) or {}
    record.adapter.tensors = [SimpleNamespace(name=n, shape=s) for n, s in shapes.items()]
    return seen


@pytest.mark.parametrize(
    "strategy",
    ["fedavg", "fedprox", "fedadam", "krum", "ffa-lora", "rolora", "fedsa-lora", "scaffold",
     "flora"],
)  # fmt: skip
def test_bytes_of_a_run_are_those_of_every_round_s_messages(strategy: str) -> None:
    plan = planned(f"strategy=standard/{strategy}", "peft=standard/lora", "optimizer=sgd")
    assert plan.violations == ()
    seen = as_recorded(plan)
    total = legacy = 0
    for number in range(1, 5):
        both = moves(seen, number)
        assert both is not None
        total += 5 * sum(map(message_bytes, both))
        legacy += 5 * sum(map(message_bytes_legacy, both))
    traffic = plan.forecast.communication
    assert (traffic.total_bytes, traffic.total_bytes_legacy) == (total, legacy)
    assert traffic.total_mib == round(total / 2**20, 2)
    assert traffic.total_mib_legacy == round(legacy / 2**20, 2)
    assert (traffic.messages, traffic.clients_per_round) == (40, 5)


def test_a_message_is_its_numbers_a_header_and_by_the_newer_count_its_names() -> None:
    shapes = {"a": (2, 3), "layer.é": (5,)}
    assert message_bytes_legacy(shapes) == 4 * 6 + 128 + 4 * 5 + 128
    assert message_bytes(shapes) == message_bytes_legacy(shapes) + 1 + 8


def test_a_strategy_that_does_not_fit_has_a_forecast_of_the_whole_adapter() -> None:
    """The rules say why it does not fit; the figures are there beside them."""
    plan = planned("strategy=standard/ffa-lora", "peft=standard/ia3")
    assert [item.rule for item in plan.violations] == ["valid-combination"]
    traffic = plan.forecast.communication
    assert traffic.total_bytes == 40 * traffic.message_bytes


def test_the_adapter_is_counted_in_parameters_tensors_and_bytes() -> None:
    plan = planned("peft=standard/lora", "peft.r=2", "peft.target_modules=['q_proj']")
    adapter = plan.forecast.adapter
    assert (adapter.tensors, adapter.parameters) == (60, 30 * 2 * (576 + 576))
    assert adapter.bytes == 4 * adapter.parameters


def test_messages_are_counted_both_ways_in_every_round() -> None:
    plan = planned("fraction=0.2")
    assert total_messages(plan.challenge, plan.spec.train) == 2 * 10 * 4
    assert plan.forecast.communication.messages == 80


def test_a_model_that_attends_by_itself_pays_for_each_written_token_with_the_whole_row() -> None:
    def seconds(*sets: str) -> float:
        return planned(*sets).forecast.estimate.evaluation_s or 0.0

    ends, goes_on = "prompt.append_eos=true", "prompt.append_eos=false"
    own = "model.trust_remote_code=true"
    # 210 tokens of rows of 68: 210 passes over 68 to 278 tokens, in place of 210 over one.
    assert seconds(goes_on, own) > 100 * seconds(goes_on)
    assert seconds(ends, own) == seconds(ends)


def test_answers_of_a_small_model_take_minutes_as_well() -> None:
    plan = planned("prompt.append_eos=false")
    sizes = {"layers": 2, "hidden": 64, "intermediate": 128, "heads": 4, "kv_heads": 4}
    small = plan.spec.with_values(model=plan.spec.model.with_values(**sizes))
    seconds = evaluation_s(small, plan.challenge, LAPTOP)
    assert seconds is not None
    assert 60 < seconds < (plan.forecast.estimate.evaluation_s or 0.0)
    alone = small.with_values(model=small.model.with_values(trust_remote_code=True))
    assert evaluation_s(alone, plan.challenge, LAPTOP) == pytest.approx(10 * seconds, rel=0.01)


def test_memory_is_of_all_processes_together() -> None:
    machine = replace(LAPTOP, memory_bytes=2**42)

    def memory(threads: int) -> int:
        request = Request("smollm2-dora/135m", device="cpu", threads=threads)
        return resolve(request, machine).forecast.estimate.memory_bytes

    assert memory(1) == 2 * memory(2)
