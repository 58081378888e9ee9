"""The memory of a step: whether it keeps its activations or makes them again, to equal bits."""

from __future__ import annotations

from typing import Any

import torch

from harness.components import ModelSpec
from harness.kernel.allowance import memory_left_bytes
from harness.library_internals.transformers import checkpoints, set_checkpointing

ACTIVATION_SHARE = 0.5
"""Share of the free memory that the activations of one step may take."""


def free_memory_bytes(device: str) -> int:
    """Return how many bytes of the device's memory this process can still fill."""
    if device == "cuda":
        # torch keeps freed memory for its next tensors, and the driver counts that as taken.
        held = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + held
    import psutil

    available, left = int(psutil.virtual_memory().available), memory_left_bytes()
    return available if left is None else min(available, left)


def activation_bytes(model: ModelSpec, tokens: int) -> int:
    """Return about how many bytes a step keeps for its backward pass.

    Sixteen values of the hidden size and eight of the intermediate size for each token and layer,
    in float32. For 616 tokens of SmolLM2-135M: 616 * 30 * (16 * 576 + 8 * 1536) * 4 = 1.48 GiB;
    measured with DoRA on the MLP: 1.5 GiB.

    Args:
        model: gives layers and sizes.
        tokens: distinct tokens of a packed batch.
    """
    return tokens * model.layers * (16 * model.hidden + 8 * model.intermediate) * 4


def checkpoint_if_needed(base: Any, model: ModelSpec, tokens: int, device: str) -> bool:
    """Switch gradient checkpointing on for a step that would not fit, off for one that does.

    Checkpointing computes each layer twice, with the same dropout (torch puts its generator back
    for the second time): a third more time, equal bits. So the choice may differ from batch to
    batch and from machine to machine, and no record has to name it.

    Args:
        base: the transformers model that trains.
        model: gives layers and sizes.
        tokens: distinct tokens of the packed batch.
        device: "cpu" or "cuda", whose free memory counts.

    Returns:
        Whether it is on.
    """
    needed = activation_bytes(model, tokens) > ACTIVATION_SHARE * free_memory_bytes(device)
    if needed != checkpoints(base):
        set_checkpointing(base, needed)
    return needed
