"""Losses on logits: label smoothing, and distillation from the base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from harness import hookimpl
from harness.components import Extension, Loss, LossInput
from harness.document import Document
from harness.recipe import Choice, Extensions, Recipe
from harness_examples.recipe import changed

if TYPE_CHECKING:
    from torch import Tensor


class Smoothing(Document):
    """Parameters of label smoothing."""

    epsilon: float = Field(0.1, ge=0, lt=1)
    """Share of the target that is spread over the whole vocabulary."""


def label_smoothing(given: LossInput, params: Smoothing) -> Tensor:
    """Return each token's cross entropy with a smoothed target, (N,).

    Source: https://arxiv.org/abs/1512.00567
    """
    from torch.nn.functional import cross_entropy

    return cross_entropy(
        given.logits, given.targets, reduction="none", label_smoothing=params.epsilon
    )


class Distilling(Document):
    """Parameters of distillation."""

    weight: float = Field(0.5, gt=0, lt=1)
    """Share of the base's part; the rest is the cross entropy."""
    temperature: float = Field(2.0, gt=0)


def distillation(given: LossInput, params: Distilling) -> Tensor:
    """Return each token's cross entropy, mixed with its divergence from what the base says, (N,).

    Source: https://arxiv.org/abs/1503.02531
    """
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    assert given.base_logits is not None
    heat = params.temperature
    ours = log_softmax(given.logits / heat, -1)
    base = log_softmax(given.base_logits / heat, -1)
    apart = kl_div(ours, base, reduction="none", log_target=True).sum(-1) * heat**2
    answer = cross_entropy(given.logits, given.targets, reduction="none")
    return (1 - params.weight) * answer + params.weight * apart


@hookimpl
def harness_extensions() -> list[Extension]:
    """Return two losses."""
    return [
        Loss("label-smoothing", Smoothing, label_smoothing, paper="1512.00567"),
        Loss("distillation", Distilling, distillation, reads_base=True, paper="1503.02531"),
    ]


@hookimpl
def harness_recipes() -> list[Recipe]:
    """Return a recipe for each."""
    smooth = Extensions(loss=Choice(name="label-smoothing"))
    distilled = Extensions(loss=Choice(name="distillation"))
    return [
        changed("smooth", "LoRA with label smoothing", smooth, default=True),
        changed("distilled", "LoRA distilled from the base", distilled),
    ]
