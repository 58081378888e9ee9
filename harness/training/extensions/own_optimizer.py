"""An optimizer of a plugin's own: built over what is trained, and kept from all that is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from harness.errors import PluginError
from harness.plugins import Bound
from harness.plugins.guard import calling_plugin

WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a value -> integers of that size, which a checksum is summed of exactly."""


class OwnOptimizer:
    """An optimizer of a plugin's own, for one client's round."""

    def __init__(
        self, part: Bound, trained: Mapping[str, torch.nn.Parameter], frozen: Iterable[torch.Tensor]
    ) -> None:
        """Build the optimizer.

        Args:
            part: the component.
            trained: the tensors that the round trains, by name.
            frozen: every other tensor of the model, which it must leave alone.

        Raises:
            PluginError: it raises, is no optimizer, leaves a trained tensor out or has others.
        """
        self._culprit = f"optimizer {part.name}"
        with calling_plugin(f"{self._culprit}: build()"):
            made: Any = part.value.build(dict(trained), part.params)
        if not isinstance(made, torch.optim.Optimizer):
            raise PluginError(
                f"{self._culprit}: build() returned {type(made).__name__}; expected a"
                " torch.optim.Optimizer"
            )
        self._optimizer = made
        names = {id(parameter): name for name, parameter in trained.items()}
        held = [id(item) for group in made.param_groups for item in group["params"]]
        if foreign := [item for item in held if item not in names]:
            raise PluginError(
                f"{self._culprit} has {len(foreign)} tensors in its groups that the round does not"
                " train; give it the tensors that build() was given"
            )
        if left := [name for key, name in names.items() if key not in held]:
            raise PluginError(
                f"{self._culprit} leaves {left[0]!r} out of its groups, so it would not train; put"
                " every tensor into a group"
            )
        self._multiples = [float(group["lr"]) for group in made.param_groups]
        self._frozen = list(frozen)
        self._before = _checksums(self._frozen)

    def step(self, rate: float) -> None:
        """Take a step.

        Args:
            rate: of this step; a group's own rate is its multiple of that.

        Raises:
            PluginError: it raises.
        """
        for group, multiple in zip(self._optimizer.param_groups, self._multiples, strict=True):
            group["lr"] = multiple * rate
        with calling_plugin(f"{self._culprit}: step()"):
            self._optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def refuse_changes(self, where: str) -> None:
        """Check, after the last step, that what is frozen is what it was.

        Args:
            where: partition and round, for messages.

        Raises:
            PluginError: a frozen tensor is another.
        """
        if _checksums(self._frozen) != self._before:
            raise PluginError(
                f"{self._culprit}: {where}: it changed weights that are frozen; let it change the"
                " tensors that build() was given, and no other"
            )


def _checksums(tensors: list[torch.Tensor]) -> list[int]:
    """Return the sum of each tensor's bit patterns, which any single change of a value moves."""
    found = [
        tensor.detach().view(WORDS[tensor.element_size()]).sum(dtype=torch.int64)
        for tensor in tensors
    ]
    return torch.stack([item.cpu() for item in found]).tolist() if found else []
