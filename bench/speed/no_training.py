"""Stands in for `harness.training.trainer` where a benchmark wants a round without its training."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.planning.schedule import learning_rate
from harness.record.machine import Device
from harness.spec import RunSpec, derived_seed

TRAINING_S = "BENCH_TRAINING_S"
"""Environment variable: seconds that a client's training takes, without use of the processor."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Update:
    """As `harness.training.trainer.Update`."""

    arrays: Arrays
    kept: Arrays
    examples: int
    train_loss: float
    step_losses: list[float]
    learning_rate: float
    dtype: str


class Trainer:
    """Answers with what it received, each client's a little different, after `TRAINING_S`."""

    def __init__(
        self, spec: RunSpec, challenge: Any, assets: Any, method: Any, params: Any, *_: Any
    ) -> None:
        """Make the initial adapter; load nothing."""
        self.spec = spec
        draw = np.random.default_rng(derived_seed(spec.seed, "initial-adapter"))
        self._initial = {
            name: draw.standard_normal(shape, np.float32)
            for name, shape in method.shapes(spec.model, params).items()
        }

    def initial(self) -> Arrays:
        """Return random tensors of the adapter's shapes."""
        return self._initial

    def train(self, arrays: Mapping[str, Any], round: int, partition: int, *_: Any) -> Update:
        """Wait, as for a GPU at work; return the arrays, one of them scaled by the partition."""
        time.sleep(float(os.environ.get(TRAINING_S, "0")))
        [first, *_] = arrays
        scaled = arrays[first] * np.float32(1 + 1e-3 * partition)
        return Update(
            arrays={**arrays, first: scaled},
            kept={},
            examples=1536 - partition // 22,
            train_loss=1.0,
            step_losses=[1.0],
            learning_rate=learning_rate(self.spec.train, round),
            dtype="float32",
            trained_influence=1.0,
        )

    def peft_config(self) -> str:
        """Return no configuration: nobody loads the adapter."""
        return "{}"

    def describe(self) -> Device:
        """Name no device."""
        return Device(
            kind="cpu",
            name="none",
            threads=1,
            actors=1,
            dtype="float32",
            deterministic=True,
            note="no training",
        )
