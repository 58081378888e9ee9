"""Which numbers of clients a round the robust strategies are refused for, by `plan` and `run`."""

from __future__ import annotations

import pytest

from harness.planning.resolve import Request, resolve


def faults(strategy: str, *sets: str) -> list[str]:
    """Return what is found against a strategy on the finance board, of 50 supernodes."""
    request = Request("smollm2-dora/135m", overrides=(f"strategy=standard/{strategy}", *sets))
    return [item.found for item in resolve(request).violations]


@pytest.mark.parametrize(
    ("strategy", "enough", "too_few", "said"),
    [
        ("krum", "fraction=0.1", "fraction=0.08", "2 f + 3 = 5"),
        ("krum", "strategy.num_malicious_nodes=1", "strategy.num_malicious_nodes=2", "= 7"),
        ("multikrum", "fraction=0.1", "fraction=0.08", "2 f + 3 = 5"),
        ("multikrum", "strategy.num_nodes_to_select=5", "strategy.num_nodes_to_select=6", "best 6"),
        ("fedtrimmedavg", "strategy.beta=0.2", "strategy.beta=0.19", "a plain mean"),
        ("fedtrimmedavg", "strategy.beta=0", "fraction=0.08", "of 4 clients a round"),
    ],
)
def test_too_few_clients_for_what_a_strategy_promises(
    strategy: str, enough: str, too_few: str, said: str
) -> None:
    assert faults(strategy, enough) == []
    [found] = faults(strategy, too_few)
    assert said in found
