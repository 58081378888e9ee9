"""The optimizer steps of one client's round, taken one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from harness.errors import FederationError
from harness.planning.schedule import step_factor
from harness.recipe import TrainSpec

Watch = Callable[[int, float, Mapping[str, torch.nn.Parameter]], None]
"""(step, loss, trained tensors with their gradients): told of each step before it is taken."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of the steps of a round."""

    watch: Watch | None = None
    """Before a step is taken."""
    after_step: Callable[[], None] = lambda: None
    """When it has been taken."""


class Stepper(Protocol):
    """What changes the trained tensors by their gradients."""

    def step(self, rate: float) -> None:
        """Take a step at a learning rate."""

    def zero_grad(self) -> None:
        """Forget the gradients."""


class TorchStepper:
    """An optimizer of the harness's own as a stepper: one rate for all its groups."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """Remember the optimizer."""
        self._optimizer = optimizer

    def step(self, rate: float) -> None:
        """Take a step at a learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad(set_to_none=True)


class RoundSteps:
    """The steps of one client's round, and what was measured at each."""

    def __init__(
        self,
        train: TrainSpec,
        rate: float,
        trained: Mapping[str, torch.nn.Parameter],
        stepper: Stepper,
        backward: Callable[[int], torch.Tensor],
        where: str,
        told: Told,
    ) -> None:
        """Begin before the first step.

        Args:
            train: number of steps, largest norm of a gradient, schedule.
            rate: the round's learning rate.
            trained: the trained tensors by name.
            stepper: changes them.
            backward: sets the gradients of the examples of a step, from 0; returns their loss.
            where: partition and round, for messages.
            told: who is told of each.
        """
        self._train, self._rate, self.trained = train, rate, trained
        self._stepper, self._backward, self._where, self._told = stepper, backward, where, told
        self._parameters = list(trained.values())
        self._measured: list[torch.Tensor] = []
        self.losses: list[float] = []
        """Of the steps until now."""

    @property
    def count(self) -> int:
        """Steps of the round."""
        return self._train.max_steps

    @property
    def taken(self) -> int:
        """Steps until now."""
        return len(self._measured)

    def gradients(self) -> torch.Tensor:
        """Set the gradients of the next step and return its loss, float64 scalar."""
        return self._backward(self.taken)

    def take(self, loss: torch.Tensor) -> None:
        """Take the next step.

        Args:
            loss: of its examples, float64 scalar.

        Raises:
            FederationError: the loss or a gradient is not finite.
        """
        step = self.taken
        if self._told.watch is not None:
            self._told.watch(step + 1, float(loss), self.trained)
        # Before clipping; NaN in one gradient makes it NaN, so one test covers them all.
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._train.max_grad_norm)
        self._measured.append(torch.stack((loss.double(), norm.double())))
        self._stepper.step(self._rate * step_factor(self._train, step))
        self._stepper.zero_grad()
        # A GPU works ahead of what is asked of it, unless a number is asked for.
        if not loss.is_cuda or step == self.count - 1:
            self.losses = self._finite()
        self._told.after_step()

    def _finite(self) -> list[float]:
        """Return the losses of the steps until now.

        Raises:
            FederationError: one of them is not finite.
        """
        pairs: list[list[float]] = torch.stack(self._measured).tolist()
        for step, (loss, norm) in enumerate(pairs):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise FederationError(
                    f"{self._where}, step {step + 1}: loss {loss}, gradient norm {norm}; expected"
                    f" finite numbers; lower the learning rate ({self._rate:g})"
                )
        return [loss for loss, _ in pairs]
