"""What is composed of a run's measurements: the cost is of the whole run."""

from __future__ import annotations

import pytest

from harness.pipeline.compose import cost
from harness.recipe import Price

PRICE = Price(currency="EUR", per_hour={"gpu": 0.25, "vcpu": 0.0088})


def test_the_cost_is_the_price_table_s_sum_times_the_hours_of_all_stages() -> None:
    """An hour of training and half an hour of evaluation, both at 0.2588 an hour."""
    found = cost(PRICE, {"federate": 3600.0, "evaluate": 1800.0})
    assert found is not None
    assert (found.currency, found.per_hour, found.hours) == ("EUR", 0.2588, 1.5)
    assert found.total == pytest.approx(0.3882, abs=1e-9)


def test_a_cost_is_rounded_to_what_verify_allows() -> None:
    """Hours to a millionth and money to a hundredth of a cent."""
    found = cost(PRICE, {"federate": 1000.0, "evaluate": 1.0})
    assert found is not None
    assert found.hours == 0.278056
    assert found.total == 0.072


def test_a_run_without_a_price_has_no_cost() -> None:
    assert cost(None, {"federate": 3600.0}) is None
