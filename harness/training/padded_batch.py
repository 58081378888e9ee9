"""A batch as the plain loop has it: padded on the right, one row an example, nothing shared.

Packed batches (`harness.training.fast`) need a model whose attention the harness computes. Where
code out of a model's folder may run, where its family is not in the table, and where
`train.exact_peft` asks for it, these are trained on instead, with the model's own attention, at
about half the speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from harness.training.rows.examples import Example


def padded_loss(model: Any, batch: Sequence[Example], labels: int, device: str) -> torch.Tensor:
    """Return the summed cross entropy of a batch's targets over `labels`.

    Args:
        model: a causal model with attention of its own.
        batch: the examples.
        labels: targets of the whole optimizer step, so that accumulated batches give their mean.
        device: where the model is.

    Returns:
        Scalar, float32.
    """
    logits, wanted = padded_logits(model, batch, device)
    return cross_entropy(logits, wanted, reduction="sum") / labels


def padded_logits(
    model: Any, batch: Sequence[Example], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of a batch's N targets, (N, vocabulary) float32, and the targets, (N,).

    Args:
        model: a causal model with attention of its own.
        batch: the examples.
        device: where the model is.
    """
    length = max(len(example.ids) for example in batch)
    # What stands in a pad's place is hidden from the tokens before it and predicts nothing.
    ids = torch.zeros(len(batch), length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    rows: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    for row, example in enumerate(batch):
        size, first = len(example.ids), example.response_start
        ids[row, :size] = torch.tensor(example.ids)
        mask[row, :size] = 1
        rows += [row] * (size - first)
        places += range(first - 1, size - 1)  # the token before the first trained one predicts it
        targets += example.ids[first:]
    logits = model(
        input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False
    ).logits[rows, places]
    wanted = torch.tensor(targets, device=logits.device)
    return logits.float(), wanted


def padded_tokens(batch: Sequence[Example]) -> int:
    """Return how many places the padded batch has."""
    return len(batch) * max(len(example.ids) for example in batch)
