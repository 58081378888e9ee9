"""Message sizes from a known model's shapes are those that published logs show."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from harness.components import select_linears
from harness.document.units import MIB
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.verify.independent.adapter_shapes import known_shapes
from harness.verify.independent.known_models import known_model

COUNTS = {"legacy": message_bytes_legacy, "message": message_bytes}


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
    known = known_model(model)
    assert known is not None
    method = "standard/dora" if dora else "standard/lora"
    shapes = known_shapes(method, known, {}, targets or known.default_targets, rank)
    assert shapes is not None
    total = messages * COUNTS[count](shapes) / MIB
    assert abs(total - published_mib) <= 0.0051


def test_heads_wider_than_their_share_of_the_model() -> None:
    """Source: config.json of Qwen/Qwen3-0.6B: 16 heads of 128 on 1,024 features."""
    model = known_model("Qwen/Qwen3-0.6B")
    assert model is not None
    query, key, out = (select_linears(model, (f"{name}_proj",))[0] for name in ("q", "k", "o"))
    assert (query.in_features, query.out_features) == (1024, 2048)
    assert (key.in_features, key.out_features) == (1024, 1024)
    assert (out.in_features, out.out_features) == (2048, 1024)


def test_a_model_is_known_by_the_last_part_of_its_name_in_any_case() -> None:
    assert known_model("unsloth/SMOLLM2-135m") == known_model("HuggingFaceTB/SmolLM2-135M")
    assert known_model("HuggingFaceTB/SmolLM2-135M-GGUF") is None
    assert known_model("") is None


def test_a_name_stands_once_and_in_lower_case() -> None:
    file = resources.files("harness.verify.independent").joinpath("known_models.toml")
    rows = tomllib.loads(file.read_text("utf-8"))["model"]
    names = [name for row in rows for name in (row["name"], *row.get("also", ()))]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() for name in names)


def test_a_vocabulary_that_was_not_looked_up_is_not_checked() -> None:
    small, large = known_model("SmolLM2-135M"), known_model("Llama-3.2-3B")
    assert small is not None
    assert large is not None
    assert small.stated()["vocab"] == 49152
    assert "vocab" not in large.stated()
    assert large.stated()["layers"] == 28
