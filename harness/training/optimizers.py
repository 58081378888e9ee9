"""The optimizers, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.errors import UsageError
from harness.recipe import TrainSpec

BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Source: transformers `TrainingArguments` defaults, as are the betas."""


def make_optimizer(
    train: TrainSpec, parameters: Sequence[torch.nn.Parameter], rate: float
) -> torch.optim.Optimizer:
    """Return a fresh optimizer: a client keeps no state between rounds.

    The 8-bit and paged ones are bitsandbytes'. On a CPU there is nothing to page to, and the paged
    ones are their unpaged counterparts, with the same values.

    Args:
        train: gives the optimizer's name and the weight decay.
        parameters: the tensors to train; the adapter's are float32.
        rate: the round's learning rate; the trainer multiplies it step by step.

    Raises:
        UsageError: the optimizer's name is not known.
    """
    on_gpu = bool(parameters) and parameters[0].is_cuda
    # One kernel for all tensors on a GPU; a CPU's results stay those of torch's default.
    fused = True if on_gpu else None
    decay = train.weight_decay
    if train.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, fused=fused)
    if train.optimizer == "adamw_torch":
        return torch.optim.AdamW(
            parameters, lr=rate, betas=BETAS, eps=EPSILON, weight_decay=decay, fused=fused
        )
    if train.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, lr=rate, weight_decay=train.weight_decay)
    import bitsandbytes.optim as bnb

    if train.optimizer in ("lion_8bit", "lion_32bit"):
        lion = bnb.Lion8bit if train.optimizer == "lion_8bit" else bnb.Lion32bit
        made: torch.optim.Optimizer = lion(parameters, lr=rate, weight_decay=train.weight_decay)
        return made

    kinds = {
        "adamw_8bit": bnb.AdamW8bit,
        "paged_adamw_8bit": bnb.PagedAdamW8bit if on_gpu else bnb.AdamW8bit,
        "paged_adamw_32bit": bnb.PagedAdamW32bit if on_gpu else bnb.AdamW32bit,
    }
    if train.optimizer not in kinds:
        raise UsageError(f"unknown optimizer {train.optimizer!r}; known: {', '.join(kinds)}")
    optimizer: torch.optim.Optimizer = kinds[train.optimizer](
        parameters, lr=rate, betas=BETAS, eps=EPSILON, weight_decay=train.weight_decay
    )
    return optimizer
