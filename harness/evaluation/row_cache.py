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
    """Size of the cache of one model."""

    layers: int
    kv_heads: int
    head_dim: int
    slots: int
    """Longest row in tokens, pad query and tokens fed ahead included."""
    dtype: torch.dtype = torch.float32

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in all layers, keys and values."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.slots * self.dtype.itemsize


class RowCache(Cache):  # type: ignore[misc]  # transformers is not followed
    """A cache that transformers' models write to through `update`.

    Before a forward pass, `begin_prefill` or `begin_step` says which lines and slots it is for.
    Lines 0..active-1 are always the rows at work.
    """

    is_compileable = False

    def __init__(self, shape: CacheShape, rows: int, device: torch.device) -> None:
        """Allocate `rows` lines on `device`."""
        super().__init__(layers=[])
        size = (rows, shape.kv_heads, shape.slots, shape.head_dim)
        self.keys = [
            torch.zeros(size, dtype=shape.dtype, device=device) for _ in range(shape.layers)
        ]
        self.values = [torch.zeros_like(key) for key in self.keys]
        self.rows = rows
        self._lines = slice(0, 0)
        self._start = 0
        self._slots: Tensor | None = None
        self._width = 0

    def begin_prefill(self, first: int, count: int, start: int) -> None:
        """Write lines first..first+count-1 from slot `start`; earlier slots hold their prefix."""
        self._lines, self._start, self._slots = slice(first, first + count), start, None

    def begin_step(self, slots: Tensor) -> None:
        """Write tokens of lines 0..n-1 at `slots`, int64 of shape (n, tokens)."""
        self._lines, self._slots = slice(0, len(slots)), slots
        self._index = torch.arange(len(slots), device=slots.device)[:, None]
        self._width = int(slots.max()) + 1

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Store new keys and values (rows, kv_heads, tokens, head_dim); return all to attend to."""
        stored = (self.keys[layer_idx], self.values[layer_idx])
        fresh = (key_states, value_states)
        if self._slots is not None:
            for line, new in zip(stored, fresh, strict=True):
                line[self._index, :, self._slots] = new.transpose(1, 2)
            end = self._width
        else:
            end = self._start + key_states.shape[2]
            for line, new in zip(stored, fresh, strict=True):
                line[self._lines, :, self._start : end] = new
            if self._start == 0:
                return fresh
        keys, values = (line[self._lines, :, :end] for line in stored)
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Slots before those being written; transformers asks, masks and positions are ours."""
        return self._start

    def copy_line(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of line `source` over those of line `target`."""
        for line in (*self.keys, *self.values):
            line[target, :, :length] = line[source, :, :length]

    def spread_line(self, source: int, first: int, count: int, length: int) -> None:
        """Copy the first `length` slots of line `source` to `count` lines from `first`."""
        for line in (*self.keys, *self.values):
            line[first : first + count, :, :length] = line[source, :, :length]
