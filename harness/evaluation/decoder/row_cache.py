"""Keys and values of many rows of unlike lengths, kept in place while rows come and go.

transformers' own dynamic cache copies everything at every token and holds one length for all rows.
Here each row's real tokens fill slots 0, 1, 2 ... of its line, so slot and position are one number,
pads are never stored, and a row's values do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Copy(NamedTuple):
    """What a line gets in a pass of what another line has by then."""

    source: int
    target: int
    """Lines."""
    length: int
    """Slots, from the first on."""


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
        self._copied: Tensor | None = None
        """int64 (2, slots): places that are copied in every layer, and where to."""

    def begin(self, lines: Tensor, slots: Tensor, copies: Sequence[Copy] = ()) -> None:
        """Say where the next forward pass writes its tokens.

        Args:
            lines: int64 (tokens,).
            slots: int64 (tokens,).
            copies: what lines get besides, of what has been written; a source may be the target of
                a copy before it.
        """
        self._places = lines * self.slots + slots
        found = self._copied_places(copies)
        self._copied = torch.tensor(found).to(self._places.device) if copies else None

    def _copied_places(self, copies: Sequence[Copy]) -> tuple[list[int], list[int]]:
        """Return which places are copied and where to, each from where it was computed.

        One step of copying does for all: with the copies 0 to 1 and 1 to 2, of 2 and of 3 slots,
        line 2 gets its first two from line 0 and the third from line 1.
        """
        origins: dict[int, list[int]] = {}
        sources: list[int] = []
        targets: list[int] = []
        for source, target, length in copies:
            own = range(source * self.slots, source * self.slots + length)
            known = origins.get(source, [])[:length]
            origins[target] = [*known, *own[len(known) :]]
            sources += origins[target]
            targets += range(target * self.slots, target * self.slots + length)
        return sources, targets

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
            places = stored.flatten(0, 1)
            places.index_copy_(0, self._places, fresh[0].transpose(0, 1))
            if self._copied is not None:
                sources, targets = self._copied
                places.index_copy_(0, targets, places.index_select(0, sources))
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: transformers asks, but positions are ours and there is no mask."""
        return 0

    def copy_line(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of line `source` over those of line `target`."""
        for stored in (*self.keys, *self.values):
            stored[target, :length] = stored[source, :length]
