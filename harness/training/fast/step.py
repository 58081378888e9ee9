"""The loss of one packed batch, made at the few tokens that it is about."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from harness.training.fast.packing import Packed


def packed_loss(model: Any, packed: Packed, labels: int) -> torch.Tensor:
    """Return the summed cross entropy of a batch's targets over `labels`.

    Args:
        model: a causal model with packed attention.
        packed: the batch, with N targets.
        labels: targets of the whole optimizer step, so that accumulated batches give their mean.

    Returns:
        Scalar, float32.
    """
    logits = packed_logits(model, packed)
    return cross_entropy(logits, packed.targets, reduction="sum") / labels


def packed_logits(model: Any, packed: Packed) -> torch.Tensor:
    """Return the logits of a batch's N targets, (N, vocabulary) float32.

    They are made for the tokens that predict a target and for no other: 20 of 2,000 rows of a
    vocabulary of 49,152.

    Args:
        model: a causal model with packed attention.
        packed: the batch.
    """
    # (N, vocab): transformers takes a tensor of places for `logits_to_keep`, not only a number.
    logits: torch.Tensor = model(
        input_ids=packed.ids,
        position_ids=packed.positions,
        packed=packed,
        logits_to_keep=packed.predicting,
        use_cache=False,
    ).logits[0]
    return logits.float()
