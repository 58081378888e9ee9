"""A codec in a recipe: complete, refused where it cannot be, and no part of a spec without one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.codec.choice import Codec, described
from harness.codec.sizes import encoded_bytes, most_lost
from harness.planning.resolve import Request, resolve
from harness.recipe import TrainSpec

RECIPE = "smollm2-dora/135m"


def test_a_codec_is_complete_by_its_name() -> None:
    assert Codec(name="int8").model_dump() == {"name": "int8", "direction": "both", "block": 256}
    assert Codec(name="top-k").model_dump() == {"name": "top-k", "direction": "up", "share": 0.1}
    assert described(Codec(name="low-rank")) == "low-rank, rank 4, from clients only"


@pytest.mark.parametrize(
    "values",
    [
        {"name": "top-k", "direction": "both"},
        {"name": "low-rank", "direction": "down"},
        {"name": "float16", "block": 64},
        {"name": "int8", "rank": 4},
        {"name": "zip"},
        {"name": "top-k", "share": 0},
    ],
)
def test_what_no_codec_is_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Codec.model_validate(values)


def test_without_a_codec_nothing_of_a_spec_changes() -> None:
    assert "codec" not in TrainSpec().model_dump(mode="json")


@pytest.mark.parametrize(
    ("codec", "low", "high"), [("float16", 0.49, 0.50), ("bfloat16", 0.49, 0.50),
                               ("int8", 0.25, 0.255)],
)  # fmt: skip
def test_half_precision_halves_a_run_and_int8_quarters_it(
    codec: str, low: float, high: float
) -> None:
    traffic = resolve(Request(plugin=RECIPE, overrides=(f"codec={codec}",))).forecast.communication
    assert traffic.plain_bytes is not None
    assert low < traffic.total_bytes / traffic.plain_bytes < high


def test_a_codec_of_changes_needs_what_they_are_changes_of() -> None:
    asked = ("codec=top-k", "peft=standard/lora", "strategy=standard/flora")
    [refused] = resolve(Request(plugin=RECIPE, overrides=asked)).violations
    assert (refused.rule, "were not sent" in refused.found) == ("codec", True)
    assert not resolve(Request(plugin=RECIPE, overrides=("codec=top-k",))).violations


def test_sizes_and_losses_follow_from_shapes() -> None:
    shapes = {"a": (4, 100), "b": (100,)}
    assert encoded_bytes(Codec(name="float16"), shapes) == 128 + 7 + 2 * 500
    assert encoded_bytes(Codec(name="int8", block=64), shapes) == 128 + 7 + 500 + 4 * (7 + 2)
    assert encoded_bytes(Codec(name="top-k"), shapes) == 128 + 7 + 8 * (40 + 10)
    assert encoded_bytes(Codec(name="low-rank", rank=1), shapes) == 128 + 7 + 4 * (104 + 100)
    assert encoded_bytes(Codec(name="int8"), {}) == 0
    assert most_lost(Codec(name="top-k", share=0.19), shapes) == pytest.approx(0.9)
    assert most_lost(Codec(name="low-rank", rank=1), shapes) == pytest.approx(0.75**0.5)
