"""The gauge law: how a client's product is split into factors moves no product mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("flwr", reason="needs the extra [run]")

from harness_standard.strategies.fedavg import FEDAVG
from harness_standard.strategies.flexlora import FLEXLORA
from harness_standard.strategies.freezing import FFA_LORA

from harness.components import StrategyMethod
from harness.plugins import load
from harness.testing.laws import GAUGE_CONDITION, GAUGE_TOLERANCE, gauge, gauge_number
from harness.testing.strategy_checks import check_strategy, sample_context


def number(method: StrategyMethod, condition: float) -> float | None:
    context = sample_context(method, load("standard"))
    assert context is not None
    return gauge_number(method, method.params(), context, condition)


def test_an_average_of_products_is_not_moved_and_one_of_factors_is() -> None:
    exact, averaged = number(FLEXLORA, GAUGE_CONDITION), number(FEDAVG, 1.0)
    assert exact is not None
    assert exact < GAUGE_TOLERANCE / 100
    assert averaged is not None
    assert averaged > 100 * GAUGE_TOLERANCE


def test_where_one_factor_travels_there_is_no_other_split() -> None:
    assert number(FFA_LORA, GAUGE_CONDITION) is None


def test_a_strategy_that_says_products_and_averages_factors_is_told() -> None:
    context = sample_context(FEDAVG, load("standard"))
    assert context is not None
    liar = replace(FEDAVG, averages="product")
    assert gauge(FEDAVG, FEDAVG.params(), context) is None
    assert "moves the mean product" in (gauge(liar, liar.params(), context) or "")
    found = {item.check for item in check_strategy(liar, load("standard"))}
    assert "gauge" in found
    forgiven = replace(liar, broken_laws={"gauge": "it averages factors", "examples": "so"})
    assert "gauge" not in {item.check for item in check_strategy(forgiven, load("standard"))}
