"""Low-rank products that a strategy adds to the frozen base: what earlier rounds have learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import linear

from harness.components import HISTORY
from harness.errors import FederationError

PREFIX = "base_model.model."
"""What peft puts before a module's path."""


@contextmanager
def history_added(model: torch.nn.Module, held: Mapping[str, Any], device: str) -> Iterator[None]:
    """Add B A x to the output of each layer that has a history, as long as the context lasts.

    Nothing of a layer's size is made, and a base in 4 bits stays as it is.

    Args:
        model: base with the adapter in place.
        held: arrays by name, float32; `history/<layer>.lora_A.weight` (R, in) and `.lora_B.weight`
            (out, R) count, their product's scale included.
        device: "cpu" or "cuda", where the model is.

    Raises:
        FederationError: a history of a layer that is not there, or without its other factor.
    """
    handles = []
    try:
        for name, values in held.items():
            if not (name.startswith(HISTORY) and name.endswith(".lora_A.weight")):
                continue
            stem = name.removeprefix(HISTORY).removesuffix(".lora_A.weight")
            other = held.get(f"{HISTORY}{stem}.lora_B.weight")
            try:
                layer = model.get_submodule(stem.removeprefix(PREFIX))
            except AttributeError:
                raise FederationError(
                    f"history of {stem}, which is no layer of the model"
                ) from None
            if other is None:
                raise FederationError(f"history of {stem} has A without B")
            down = torch.tensor(values, device=device)
            up = torch.tensor(other, device=device)
            handles.append(layer.register_forward_hook(_adding(down, up)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(down: torch.Tensor, up: torch.Tensor) -> Any:
    def hook(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> Any:
        x = inputs[0]
        return output + linear(linear(x, down.to(x.dtype)), up.to(x.dtype))

    return hook
