"""Keys and values of many rows of unlike lengths, kept in place while rows come and go.

transformers' own dynamic cache copies everything at every token and holds one length for all rows.
Here each row's real tokens fill slots 0, 1, 2 ... of its line, so slot and position are one number,
pads are never stored, and a row's values do not depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The size of one row of a model's cache."""

    layers: int
    kv_heads: int
    head_dim: int
    slots: int
    """Tokens of the longest row, pad query included."""
    dtype: torch.dtype = torch.float32

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in all layers, keys and values."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.slots * self.dtype.itemsize


class RowCache(Cache):  # type: ignore[misc]  # transformers is not followed
    """A cache that transformers' models write to through `update`.

    Before a forward pass, `begin` says where each of its tokens goes. What is attended to is read
    by `harness.evaluation.decoder.row_attention`, which knows the lines. Nothing is ever emptied: a
    line that gets a new row is written over from slot 0, and masks hide what is left of the old.
    """

    is_compileable = False
    """torch.compile would want fixed shapes; transformers asks."""

    def __init__(self, shape: CacheShape, lines: int, device: torch.device) -> None:
        """Allocate keys and values of `lines` rows on `device`."""
        super().__init__(layers=[])
        size = (lines, shape.slots, shape.kv_heads, shape.head_dim)
        self.keys = [
            torch.zeros(size, dtype=shape.dtype, device=device) for _ in range(shape.layers)
        ]
        """Per layer (lines, slots, kv_heads, head_dim)."""
        self.values = [torch.zeros_like(key) for key in self.keys]
        self.slots = shape.slots
        self._places = torch.zeros(0, dtype=torch.int64, device=device)

    def begin(self, lines: Tensor, slots: Tensor) -> None:
        """Say where the next forward pass writes its tokens: int64 (tokens,) each."""
        self._places = lines * self.slots + slots

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Store new keys and values, and return them as they are; attention reads the cache itself.

        Args:
            key_states: (1, kv_heads, tokens, head_dim).
            value_states: (1, kv_heads, tokens, head_dim).
            layer_idx: number of the layer, from 0.
        """
        for stored, fresh in (
            (self.keys[layer_idx], key_states),
            (self.values[layer_idx], value_states),
        ):
            # A view: lines and slots as one dimension, of which `_places` are rows.
            stored.flatten(0, 1).index_copy_(0, self._places, fresh[0].transpose(0, 1))
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: transformers asks, but positions are ours and there is no mask."""
        return 0

    def copy_line(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of line `source` over those of line `target`."""
        for stored in (*self.keys, *self.values):
            stored[target, :length] = stored[source, :length]
