"""The aggregation error is the formula's."""

from __future__ import annotations

import numpy as np
import pytest

from harness.federation.serverapp.aggregation_error import STRIP_ROWS, aggregation_error

LONG = 2 * STRIP_ROWS + 3
"""Taken in three strips, the last one short."""

SHAPES = {"mlp.up_proj": (LONG, 24), "mlp.down_proj": (24, LONG)}
RANK = 4
EXAMPLES = [1536, 1535, 7]


def updates_of(spread: float) -> list[dict[str, np.ndarray]]:
    """Return three clients' factors, that far apart."""
    draw = np.random.default_rng(5)
    shapes = {}
    for layer, (out, into) in SHAPES.items():
        shapes[f"{layer}.lora_A.weight"] = (RANK, into)
        shapes[f"{layer}.lora_B.weight"] = (out, RANK)
    shared = {name: draw.standard_normal(shape) for name, shape in shapes.items()}
    return [
        {
            name: (value + spread * draw.standard_normal(value.shape)).astype(np.float32)
            for name, value in shared.items()
        }
        for _ in EXAMPLES
    ]


def dense_error(updates: list[dict[str, np.ndarray]]) -> float:
    """||mean(BA) - mean(B) mean(A)|| / ||mean(BA)||, every product formed, in float64."""
    share = [count / sum(EXAMPLES) for count in EXAMPLES]
    left_out, whole = [], []
    for layer in SHAPES:
        ups = [item[f"{layer}.lora_B.weight"].astype(np.float64) for item in updates]
        downs = [item[f"{layer}.lora_A.weight"].astype(np.float64) for item in updates]
        product = sum(w * up @ down for w, up, down in zip(share, ups, downs, strict=True))
        up = sum(w * item for w, item in zip(share, ups, strict=True))
        down = sum(w * item for w, item in zip(share, downs, strict=True))
        left_out.append(product - up @ down)
        whole.append(product)
    return float(
        np.sqrt(sum(np.sum(x**2) for x in left_out)) / np.sqrt(sum(np.sum(x**2) for x in whole))
    )


@pytest.mark.parametrize("spread", [1.0, 0.1, 1e-2])
def test_the_aggregation_error_is_the_dense_formula(spread: float) -> None:
    updates = updates_of(spread)
    assert aggregation_error(updates, EXAMPLES) == pytest.approx(dense_error(updates), rel=1e-5)


def test_equal_clients_lose_nothing_in_the_average() -> None:
    updates = updates_of(1.0)
    assert aggregation_error([updates[0]] * 3, EXAMPLES) == 0.0


def test_a_method_without_low_rank_factors_has_no_aggregation_error() -> None:
    assert aggregation_error([{"ia3_l": np.ones(3, np.float32)}] * 3, EXAMPLES) is None


@pytest.mark.parametrize(("spread", "reported"), [(1.1e-6, 1.1e-6), (0.9e-6, 0.0)])
def test_an_error_below_a_millionth_is_rounding(spread: float, reported: float) -> None:
    """Two clients with A = B = 1 + e and 1 - e: the mean of BA is 1 + e^2, the means' product 1."""
    e = np.sqrt(spread)
    updates = [
        {"x.lora_A.weight": np.array([[1 + way * e]]), "x.lora_B.weight": np.array([[1 + way * e]])}
        for way in (1, -1)
    ]
    assert aggregation_error(updates, [1, 1]) == pytest.approx(reported, rel=1e-3)


def test_the_example_of_the_documents() -> None:
    clients = [
        {"w.lora_B.weight": np.full((1, 1), b), "w.lora_A.weight": np.full((1, 1), a)}
        for b, a in ((2.0, 1.0), (0.0, 3.0))
    ]
    assert aggregation_error(clients, [1, 1]) == 1.0
