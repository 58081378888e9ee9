"""Message sizes from a model's architecture are those that published logs show."""

from __future__ import annotations

import pytest

from harness.verify.independent.architectures import adapter_tensors, architecture_of, message_sizes

MIB = 2**20


@pytest.mark.parametrize(
    ("model", "rank", "targets", "dora", "messages", "count", "published_mib"),
    [
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct", 32, ("gate_proj", "up_proj", "down_proj"), True,
         120, "legacy", 11005.66),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", 16, ("gate_proj", "up_proj", "down_proj"), True,
         180, "legacy", 3852.42),
        ("HuggingFaceTB/SmolLM2-135M", 8, None, False, 800, "legacy", 1417.97),
        ("HuggingFaceTB/SmolLM2-360M", 8, None, False, 800, "legacy", 2512.50),
        ("ContactDoctor/Bio-Medical-Llama-3-8B", 32, None, False, 400, "legacy", 20806.25),
        ("HPAI-BSC/Llama3.1-Aloe-Beta-8B", 32, ("q_proj", "v_proj"), False, 40, "message", 2080.93),
        ("internlm/internlm3-8b-instruct", 16, ("q_proj", "k_proj", "v_proj", "o_proj"), False,
         40, "message", 2942.79),
        ("GoToCompany/gemma2-9b-cpt-sahabatai-v1-instruct", 8, None, True, 40, "legacy", 723.11),
    ],
)  # fmt: skip
def test_published_totals_come_out(
    model: str, rank: int, targets: tuple[str, ...] | None, dora: bool, messages: int, count: str,
    published_mib: float,
) -> None:  # fmt: skip
    architecture = architecture_of(model)
    assert architecture is not None
    shapes = adapter_tensors(architecture, rank, targets, dora)
    assert shapes is not None
    total = messages * message_sizes(shapes)[count] / MIB
    assert abs(total - published_mib) <= 0.0051
