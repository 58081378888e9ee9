"""Attention over a token tree: by kernels of its own on a GPU, else by torch's over all tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch.nn.functional import scaled_dot_product_attention

SIZES = (16, 32, 64, 128)
"""Widths of a head that the kernels take."""


@dataclass(frozen=True, slots=True)
class Attended:
    """The result of an attention, and what its way back needs."""

    out: torch.Tensor
    """(T, heads, size)."""
    sums: torch.Tensor | None
    """Logarithmic sums of the scores, (heads, T) float32, of the kernels."""


class TreeAttention:
    """The attention of one batch."""

    def __init__(self, first: torch.Tensor, last: torch.Tensor, scaling: float) -> None:
        """Describe the batch.

        Args:
            first: (T,) int64; see `token_tree`.
            last: (T,) int64.
            scaling: factor of the scores.
        """
        self.first, self.last, self.scaling = first, last, scaling
        self._mask: torch.Tensor | None = None
        self._bounds: torch.Tensor | None = None

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Attended:
        """Return what every token attends to.

        Args:
            q: (T, heads, size).
            k: (T, kv_heads, size).
            v: (T, kv_heads, size).
        """
        if not takes(q):
            return Attended(self._over_all(q, k, v), None)
        from harness.training.fused.tree_kernels import bounds_of, forward

        if self._bounds is None:
            self._bounds = bounds_of(self.first, self.last)
        q, k, v = _laid(q, k, v)
        return Attended(*forward(q, k, v, self.first, self.last, self._bounds, self.scaling))

    def backward(
        self, inputs: Sequence[torch.Tensor], attended: Attended, grad: torch.Tensor
    ) -> Sequence[torch.Tensor]:
        """Return the gradients of queries, keys and values.

        Args:
            inputs: q, k and v of `forward`.
            attended: its result.
            grad: of the result, (T, heads, size).
        """
        if attended.sums is None or self._bounds is None:
            with torch.enable_grad():
                leaves = [item.detach().requires_grad_() for item in inputs]
                return torch.autograd.grad(self._over_all(*leaves), leaves, grad)
        from harness.training.fused.tree_kernels import backward

        q, k, v, out, pull = _laid(*inputs, attended.out, grad)
        return backward(
            q, k, v, self.first, self.last, self._bounds, self.scaling, out, attended.sums, pull
        )

    def _over_all(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if self._mask is None:
            self._mask = visible(self.first, self.last)
        heads = q.shape[1]
        result = scaled_dot_product_attention(
            q.transpose(0, 1)[None],
            _for_all(k, heads),
            _for_all(v, heads),
            attn_mask=self._mask,
            scale=self.scaling,
        )
        return result[0].transpose(0, 1)


def takes(q: torch.Tensor) -> bool:
    """Return whether the kernels compute queries like these, (T, heads, size)."""
    return q.is_cuda and q.shape[2] in SIZES and find_spec("triton") is not None


def visible(first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Return which keys (second dimension) each query sees, (T, T) bool."""
    return (first[None, :] <= first[:, None]) & (first[:, None] < last[None, :])


def _laid(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _for_all(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Return keys or values, (T, kv_heads, size), once for each head: (1, heads, T, size)."""
    tokens, kv_heads, size = tensor.shape
    repeated = tensor[:, :, None].expand(-1, -1, heads // kv_heads, -1)
    return repeated.reshape(tokens, heads, size).transpose(0, 1)[None]
