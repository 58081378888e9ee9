"""Optimizers: AdamW with a rate of its own for B (LoRA+), and Muon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from harness import hookimpl
from harness.components import Extension, LocalOptimizer
from harness.document import Document
from harness.recipe import Choice, Extensions, Recipe
from harness_examples.recipe import changed

if TYPE_CHECKING:
    from torch.nn import Parameter
    from torch.optim import Optimizer


class LoraPlus(Document):
    """Parameters of LoRA+."""

    ratio: float = Field(16.0, ge=1)
    """Rate of B over that of all others. Source of the default: the paper's section 5."""


def lora_plus(trained: Mapping[str, Parameter], params: LoraPlus) -> Optimizer:
    """Return AdamW in which B learns faster than A.

    Source: https://arxiv.org/abs/2402.12354
    """
    import torch

    faster = [item for name, item in trained.items() if ".lora_B." in name]
    others = [item for name, item in trained.items() if ".lora_B." not in name]
    groups = [{"params": faster, "lr": params.ratio}, {"params": others, "lr": 1.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.0)


class MuonParams(Document):
    """Parameters of Muon."""

    momentum: float = Field(0.95, ge=0, lt=1)
    vector_rate: float = Field(0.1, gt=0)
    """Rate of tensors that are no matrices, as a multiple of the round's."""


def muon(trained: Mapping[str, Parameter], params: MuonParams) -> Optimizer:
    """Return Muon: matrices move by their orthogonalised momentum, vectors by its sign.

    Source: https://kellerjordan.github.io/posts/muon/
    """
    import torch

    class Muon(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for item in group["params"]:
                    if item.grad is None:
                        continue
                    state = self.state[item]
                    past = state.setdefault("momentum", torch.zeros_like(item))
                    past.mul_(params.momentum).add_(item.grad)
                    ahead = item.grad + params.momentum * past
                    move = orthogonal(ahead) if item.ndim == 2 else ahead.sign()
                    item.add_(move, alpha=-group["lr"])

    def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
        # Five Newton-Schulz iterations with the coefficients of the source.
        a, b, c = 3.4445, -4.7750, 2.0315
        x = matrix / (matrix.norm() + 1e-7)
        wide = x.shape[0] <= x.shape[1]
        x = x if wide else x.T
        for _ in range(5):
            square = x @ x.T
            x = a * x + (b * square + c * square @ square) @ x
        scale: float = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        made: torch.Tensor = scale * (x if wide else x.T)
        return made

    matrices = [item for item in trained.values() if item.ndim == 2]
    vectors = [item for item in trained.values() if item.ndim != 2]
    groups = [
        {"params": matrices, "lr": 1.0},
        {"params": vectors, "lr": params.vector_rate},
    ]
    return Muon([group for group in groups if group["params"]], {"lr": 1.0})


@hookimpl
def harness_extensions() -> list[Extension]:
    """Return two optimizers."""
    return [
        LocalOptimizer("lora-plus", LoraPlus, lora_plus, paper="2402.12354"),
        LocalOptimizer("muon", MuonParams, muon),
    ]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return a recipe for each."""
    plus = Extensions(optimizer=Choice(name="lora-plus"))
    return [
        changed("lora-plus", "LoRA+: B learns faster", plus, default=True),
        changed("muon", "LoRA with Muon", Extensions(optimizer=Choice(name="muon"))),
    ]
