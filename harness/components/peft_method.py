"""A PEFT method: which tensors are trained, and peft's configuration that makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.components.model import ModelSpec
from harness.document import Document

if TYPE_CHECKING:
    from peft import PeftConfig

Shapes = dict[str, tuple[int, ...]]
"""Tensor name as in peft's state dict -> shape."""


@dataclass(frozen=True, slots=True)
class PeftMethod:
    """A way to make a small set of trainable weights: LoRA, DoRA ..."""

    name: str
    params: type[Document]
    """Document of the parameters; a recipe's `peft.params` are validated by it."""
    configure: Callable[[ModelSpec, Any], PeftConfig]
    """(model, params) -> the peft configuration; imports peft inside."""
    shapes: Callable[[ModelSpec, Any], Shapes]
    """(model, params) -> the adapter's tensors, in state-dict order, without weights or torch."""
    frozen: Callable[[str], bool] = lambda name: False
    """Whether a tensor of the adapter stays at its seeded start: it is saved, but neither trained
    nor sent."""
    paper: str = ""

    def travelling(self, model: ModelSpec, params: Any) -> Shapes:
        """Return the tensors of one message: the adapter's without the frozen ones."""
        shapes = self.shapes(model, params)
        return {name: shape for name, shape in shapes.items() if not self.frozen(name)}
