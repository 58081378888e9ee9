"""A local loop of a plugin's own: it is handed the round's steps, and they are counted."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch

from harness.errors import PluginError
from harness.plugins import Bound
from harness.plugins.guard import calling_plugin
from harness.spec import derived_seed
from harness.training.steps import RoundSteps


class CountedSteps:
    """The steps of a round as a loop of a plugin's own is given them; see `LoopSteps`."""

    def __init__(self, part: Bound, steps: RoundSteps, where: str) -> None:
        """Count from zero.

        Args:
            part: the loop.
            steps: the round's.
            where: partition and round, for messages.
        """
        self._part, self._steps, self._where = part, steps, where
        self._loss: torch.Tensor | None = None
        self._passes = 0

    @property
    def count(self) -> int:
        """Steps that have to be taken."""
        return self._steps.count

    @property
    def trained(self) -> Mapping[str, torch.nn.Parameter]:
        """The trained tensors by name."""
        return self._steps.trained

    def gradients(self) -> torch.Tensor:
        """Set the gradients of the step's examples and return their loss.

        Raises:
            PluginError: asked more often than the component says, or after the last step.
        """
        most = self._part.value.gradients_per_step
        if self._steps.taken == self.count:
            raise self._wrong(f"asks for gradients after its {self.count} steps")
        if self._passes == most:
            raise self._wrong(f"asks for gradients more than {most} times before a step")
        self._passes += 1
        for parameter in self.trained.values():
            parameter.grad = None
        loss = self._steps.gradients()
        if self._loss is None:  # a step is known by the loss at the weights that it began with
            self._loss = loss
        return loss.clone()

    def take(self) -> None:
        """Take the step.

        Raises:
            PluginError: without gradients.
        """
        if self._loss is None:
            raise self._wrong("takes a step without gradients")
        loss, self._loss, self._passes = self._loss, None, 0
        self._steps.take(loss)

    def _wrong(self, what: str) -> PluginError:
        return PluginError(f"loop {self._part.name}: {self._where}: it {what}; see LoopSteps")


def run_loop(part: Bound, steps: RoundSteps, seed: int, where: str) -> None:
    """Let a loop of a plugin's own take a round's steps.

    Args:
        part: the loop.
        steps: the round's.
        seed: of Python's and numpy's global generators; torch's is seeded for the round already.
        where: partition and round, for messages.

    Raises:
        PluginError: it raises, or takes fewer or more steps than there are.
    """
    states = random.getstate(), np.random.get_state()
    random.seed(derived_seed(seed, "python"))
    np.random.seed(derived_seed(seed, "numpy") % 2**32)
    try:
        with calling_plugin(f"loop {part.name}: run()"):
            part.value.run(CountedSteps(part, steps, where), part.params)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
    if steps.taken != steps.count:
        raise PluginError(
            f"loop {part.name}: {where}: took {steps.taken} of {steps.count} steps; take them all"
        )
