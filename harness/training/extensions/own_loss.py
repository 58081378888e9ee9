"""A loss of a plugin's own on logits: called, checked, and seen to depend on the labels."""

from __future__ import annotations

import torch

from harness.components import LossInput
from harness.errors import PluginError
from harness.plugins import Bound
from harness.plugins.guard import calling_plugin
from harness.training.reply.reply_influence import generators, put_back


def token_losses(part: Bound, given: LossInput, where: str) -> torch.Tensor:
    """Return the loss of each token.

    Args:
        part: the loss.
        given: the batch's logits and targets.
        where: partition and round, for messages.

    Returns:
        (N,) float32, with gradients.

    Raises:
        PluginError: it raises, or returns something else, or numbers that are not finite.
    """
    culprit = f"loss {part.name}"
    with calling_plugin(culprit):
        losses = part.value.loss(given, part.params)
    count = len(given.targets)
    if not isinstance(losses, torch.Tensor) or losses.shape != (count,):
        found = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise PluginError(
            f"{culprit} returned {found} for {count} tokens; expected a tensor ({count},), the"
            " loss of each token"
        )
    if not losses.requires_grad:
        raise PluginError(f"{culprit} does not depend on the logits, so nothing would train")
    if not bool(torch.isfinite(losses.detach()).all()):
        raise PluginError(
            f"{culprit}: {where}: the loss of a token is not finite, though the logits are; keep it"
            " from dividing by zero and from the logarithm of zero"
        )
    return losses


def refuse_blind(part: Bound, given: LossInput, losses: torch.Tensor, where: str) -> None:
    """Check that a loss is another when its targets are.

    Args:
        part: the loss.
        given: the batch that it was called with.
        losses: what it gave.
        where: partition and round, for messages.

    Raises:
        PluginError: it is the same with every target replaced by another token.
    """
    states = generators()
    others = (given.targets + 1) % given.logits.shape[-1]
    with torch.no_grad(), calling_plugin(f"loss {part.name}"):
        again = part.value.loss(
            LossInput(given.logits.detach(), others, given.base_logits), part.params
        )
    put_back(states)
    if torch.equal(again, losses.detach()):
        raise PluginError(
            f"loss {part.name}: {where}: it is the same whatever the labels are; make it depend on"
            " `targets`"
        )
