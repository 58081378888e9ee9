"""The checker derives tensors and bytes of every known strategy and PEFT method by itself.

The plugin's own plans say what a run sends; the checker is written from the papers. A record made
by the one must be clean for the other, and wrong as soon as its bytes are not what moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission, fake_digest

from harness.components import PeftMethod, Shapes, StrategyContext, StrategyMethod
from harness.document import pretty_json
from harness.document.safetensors_header import file_bytes
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.record.federation import RoundRecord
from harness.spec import RunSpec
from harness.submissions.check import verify

standard = pytest.importorskip("harness_standard.plugin")
validity = pytest.importorskip("harness_standard.validity")

METHODS: dict[str, PeftMethod] = {item.name: item for item in standard.harness_peft_methods()}
STRATEGIES: dict[str, StrategyMethod] = {item.name: item for item in standard.harness_strategies()}
ALLOWED = [
    (strategy, method)
    for strategy in STRATEGIES
    for method in METHODS
    if validity.why_not(strategy, method) is None
]
EXACT = ("ffa-lora", "rolora")


def record_of(strategy: str, method: str, rounds: int = 3) -> Submission:
    """Return a submission whose shapes and bytes are those that the plugin plans."""
    s = Submission(rounds=rounds)
    kind, params = METHODS[method], METHODS[method].params(target_modules=("up_proj", "q_proj"))
    if "r" in kind.params.model_fields:
        params = params.with_values(r=4)
    spec = RunSpec.model_validate(s.record["spec"])
    context = StrategyContext(
        num_supernodes=50, clients_per_round=5, fraction=0.1, rounds=rounds, seed=spec.seed,
        shapes=kind.travelling(spec.model, params), peft_method=f"standard/{method}",
        peft_params=params.model_dump(),
    )  # fmt: skip
    chosen = STRATEGIES[strategy]
    plans = [chosen.plan_of(chosen.params(), context, n) for n in range(1, rounds + 1)]
    shapes = plans[-1].adapter or kind.shapes(spec.model, params)

    def change(value: dict[str, Any]) -> None:
        value["peft"] = {"name": f"standard/{method}", "params": params.model_dump(mode="json")}
        rest = chosen.params().model_dump(mode="json")
        value["strategy"] = {"name": f"standard/{strategy}", "params": rest}

    s.respec(change)
    _fill(s, shapes)
    for item, plan in zip(s.record["federation"]["rounds"], plans, strict=True):
        error = 0.0 if strategy in EXACT or method == "ffa-lora" else 0.01
        factors = any(name.endswith(".lora_A.weight") for name in shapes)
        home = strategy == "fedsa-lora" and item["round"] < rounds
        item["aggregation_error"] = error if factors and not home else None
        if strategy == "krum" and method != "ffa-lora":
            item["aggregate_sha256"] = item["clients"][2]["update_sha256"]
        _send(s, item, message_bytes(plan.down), message_bytes(plan.up))
    s.rechain()
    return s


def _fill(s: Submission, shapes: Shapes) -> None:
    count = sum(_product(shape) for shape in shapes.values())
    s.record["adapter"] |= {
        "parameters": count,
        "file_bytes": file_bytes(shapes),
        "tensors": [{"name": n, "shape": list(shape)} for n, shape in sorted(shapes.items())],
    }
    s.record["communication"] |= {
        "message_bytes": message_bytes(shapes),
        "message_bytes_legacy": message_bytes_legacy(shapes),
        "bytes_total": 0,
    }


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for part in shape:
        size *= part
    return size


def _send(s: Submission, item: dict[str, Any], down: int, up: int) -> None:
    """Let a round send so many bytes to each client and get so many back."""
    traffic = s.record["communication"]
    whole = traffic["message_bytes"]
    item["message_bytes_down"] = None if down == whole else down
    item["message_bytes_up"] = None if up == whole else up
    item["bytes_down"], item["bytes_up"] = down * len(item["clients"]), up * len(item["clients"])
    for client in item["clients"]:
        client["bytes_up"] = up
    traffic["bytes_total"] += item["bytes_down"] + item["bytes_up"]


def found(s: Submission, tmp_path: Path) -> set[str]:
    path = tmp_path / "result.json"
    path.write_text(pretty_json(s.record))
    return {item.rule for item in verify([path]).findings}


@pytest.mark.parametrize(("strategy", "method"), ALLOWED)
def test_what_the_plugin_plans_is_what_the_checker_derives(
    strategy: str, method: str, tmp_path: Path
) -> None:
    assert found(record_of(strategy, method), tmp_path) == set()


PARTIAL = [("ffa-lora", "lora"), ("rolora", "lora"), ("fedsa-lora", "lora"), ("flora", "lora"),
           ("scaffold", "dora"), ("fedavg", "ffa-lora")]  # fmt: skip


@pytest.mark.parametrize(("strategy", "method"), PARTIAL)
def test_a_round_that_claims_to_have_sent_less_is_found(
    strategy: str, method: str, tmp_path: Path
) -> None:
    """One tensor fewer in every message of one round, everything that sums it up made to fit."""
    s = record_of(strategy, method)
    whole = s.record["communication"]["message_bytes"]
    item = s.record["federation"]["rounds"][1]
    s.record["communication"]["bytes_total"] -= item["bytes_down"] + item["bytes_up"]
    _send(s, item, item["message_bytes_down"] or whole, (item["message_bytes_up"] or whole) - 140)
    s.rechain()
    assert found(s, tmp_path) == {"round-bytes"}


def test_flora_s_adapter_has_the_stack_s_rank(tmp_path: Path) -> None:
    """A run of FLoRA that submits factors of the recipe's rank cannot be its stack."""
    s = record_of("flora", "lora")
    a, b = s.record["adapter"]["tensors"][0]["shape"], s.record["adapter"]["tensors"][1]["shape"]
    assert (a[0], b[1]) == (4 * 5 * 3, 4 * 5 * 3)
    spec = RunSpec.model_validate(s.record["spec"])
    params = METHODS["lora"].params(target_modules=("up_proj", "q_proj"), r=4)
    _fill(s, METHODS["lora"].shapes(spec.model, params))
    assert "adapter-shapes" in found(s, tmp_path)


def test_krum_s_aggregate_is_one_client_s_of_its_round(tmp_path: Path) -> None:
    for digest in (fake_digest("nobody"), None):
        s = record_of("krum", "lora")
        rounds = s.record["federation"]["rounds"]
        rounds[1]["aggregate_sha256"] = digest or rounds[0]["clients"][0]["update_sha256"]
        s.rechain()
        assert found(s, tmp_path) == {"updates-differ"}


def test_an_average_is_no_client_s(tmp_path: Path) -> None:
    s = record_of("fedavg", "lora")
    item = s.record["federation"]["rounds"][0]
    item["aggregate_sha256"] = item["clients"][0]["update_sha256"]
    s.rechain()
    assert found(s, tmp_path) == {"updates-differ"}


def test_the_record_of_a_round_keeps_its_form() -> None:
    """What is built here is a record: the tests above would pass on a schema error otherwise."""
    for item in record_of("flora", "lora").record["federation"]["rounds"]:
        assert RoundRecord.model_validate(item).chain_digest() == item["digest"]
