"""A local loop: sharpness-aware minimisation, which asks for two gradients before each step."""

from __future__ import annotations

from pydantic import Field

from harness import hookimpl
from harness.components import Extension, LocalLoop, LoopSteps
from harness.document import Document
from harness.recipe import Choice, Extensions, Recipe
from harness_examples.recipe import changed


class Sam(Document):
    """Parameters of SAM."""

    rho: float = Field(0.05, gt=0)
    """Length of the step uphill. Source of the default: the paper."""


def sam(steps: LoopSteps, params: Sam) -> None:
    """Take each step with the gradient at the worst point nearby.

    Source: https://arxiv.org/abs/2010.01412; with clients: https://arxiv.org/abs/2206.02618
    """
    import torch

    for _ in range(steps.count):
        steps.gradients()
        here = {name: item.detach().clone() for name, item in steps.trained.items()}
        slopes = {name: item.grad for name, item in steps.trained.items() if item.grad is not None}
        length = torch.stack([slope.norm() for slope in slopes.values()]).norm() + 1e-12
        with torch.no_grad():
            for name, slope in slopes.items():
                steps.trained[name].add_(slope, alpha=float(params.rho / length))
        steps.gradients()
        with torch.no_grad():
            for name, item in steps.trained.items():
                item.copy_(here[name])
        steps.take()


@hookimpl
def harness_extensions() -> list[Extension]:
    """Return one loop."""
    return [LocalLoop("sam", Sam, sam, gradients_per_step=2, paper="2010.01412")]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return its recipe."""
    return [changed("sam", "LoRA with SAM", Extensions(loop=Choice(name="sam")))]
