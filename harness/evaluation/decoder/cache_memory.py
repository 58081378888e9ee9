"""How much memory the keys and values of the rows that are decoded together may take."""

from __future__ import annotations

import torch

CPU_BYTES = 2 * 2**30
"""Bytes of the cache on a CPU: 105 rows of SmolLM2-135M of 440 tokens. More rows at a time gain
nothing once a forward pass is full."""

GPU_SHARE = 0.5
"""Share of a GPU's free memory that the cache takes, asked for once the model is in it."""


def cache_bytes(device: str) -> int:
    """Return how many bytes the cache may take.

    It decides how many rows are at work at once, on which no label depends.

    Args:
        device: `cpu` or `cuda`, with the model loaded.
    """
    if device == "cuda":
        return int(GPU_SHARE * torch.cuda.mem_get_info()[0])
    return CPU_BYTES
