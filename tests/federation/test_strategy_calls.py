"""A strategy computes on one thread: its sums are those of any machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp.strategy import FedAvg
from threadpoolctl import threadpool_info, threadpool_limits

from harness.errors import PluginError
from harness.federation.strategy_calls import aggregated, configured


def threads() -> set[int]:
    """Return the numbers of threads of all libraries."""
    return {torch.get_num_threads(), *(item["num_threads"] for item in threadpool_info())}


class Counting(FedAvg):  # type: ignore[misc]  # Flower is untyped to mypy here
    """Remembers the threads that it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[set[int]] = []

    def configure_train(self, *given: Any) -> Iterable[Message]:
        def messages() -> Iterable[Message]:
            # As a generator, whose work is done where its messages are taken.
            self.seen.append(threads())
            yield from ()

        return messages()

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord | None]:
        self.seen.append(threads())
        if server_round == 2:
            raise ValueError("no")
        return ArrayRecord([np.zeros(1, np.float32)]), None


def test_a_strategy_has_one_thread_and_the_harness_what_it_had() -> None:
    strategy = Counting()
    asked = os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(2)
    with threadpool_limits(2):
        before = threads()
        configured(strategy, "s", 1, ArrayRecord(), ConfigRecord(), None)
        aggregated(strategy, "s", 1, [])
        with pytest.raises(PluginError, match="no"):
            aggregated(strategy, "s", 2, [])
        assert strategy.seen == [{1}] * 3
        assert before == threads() == {2}
    assert os.environ.get("OMP_NUM_THREADS") == asked


LATE = """
import json, os, sys
os.environ.pop("OMP_NUM_THREADS", None)
from harness.processes.numeric_threads import one_thread

with one_thread():
    import torch

    (torch.ones(100_000) + 1).exp()
    inside = torch.get_num_threads()
print(json.dumps([inside, "OMP_NUM_THREADS" in os.environ]))
"""


def test_torch_that_a_strategy_loads_late_has_one_thread_too() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, False]
